/** How well a tensor was coded. */
export interface EncodeStats {
  readonly weights: number;
  readonly blocks: number;
  /** Sum of squared weights. */
  readonly squaredNorm: number;
  /** Sum of squared differences between the weights and what decodes. */
  readonly squaredError: number;
  /** -10 log10(squaredError / squaredNorm); Infinity where nothing is lost. */
  readonly snrDb: number;
  /** `sum h (w - w^)^2` with the importances as given; `squaredError` without. */
  readonly weightedError: number;
  /** `sum h w^2`; `squaredNorm` without. */
  readonly weightedNorm: number;
  /** -10 log10(weightedError / weightedNorm): what the importances say of the loss. */
  readonly weightedSnrDb: number;
  /** The blocks with the largest squared errors, five at most, the worst first. */
  readonly worstBlocks: readonly WorstBlock[];
  /** Share of the blocks that are not zero and whose exponent is the lowest of the window. */
  readonly floorShare: number;
  /** As `floorShare`, the highest. */
  readonly ceilingShare: number;
  /** Blocks whose weights are all 0. */
  readonly zeroBlocks: number;
}

export interface WorstBlock {
  readonly block: number;
  readonly squaredError: number;
  /** Signal to noise of this block alone, in dB. */
  readonly snrDb: number;
}

const worstCount = 5;

/** -10 log10(error / norm): Infinity where there is no error, 0 where nothing is kept. */
export function snrDb(squaredError: number, squaredNorm: number): number {
  return squaredError === 0 ? Infinity : 10 * Math.log10(squaredNorm / squaredError);
}

/** Adds up the statistics of a tensor, block by block. */
export class StatsCounter {
  #weights = 0;
  #blocks = 0;
  #norm = 0;
  #error = 0;
  #weighted = 0;
  #weightedNorm = 0;
  #floor = 0;
  #ceiling = 0;
  #zero = 0;
  readonly #worst: WorstBlock[] = [];

  /**
   * Counts a block: its weights, without padding, and what they decode to.
   *
   * @param importance - of these weights, or undefined for ones
   */
  add(
    block: number,
    weights: ArrayLike<number>,
    decoded: ArrayLike<number>,
    exponentCode: number,
    importance: ArrayLike<number> | undefined,
  ): void {
    let norm = 0;
    let error = 0;
    let weighted = 0;
    let weightedNorm = 0;
    for (let c = 0; c < weights.length; c++) {
      const w = weights[c] as number;
      const miss = w - (decoded[c] as number);
      const h = importance ? (importance[c] as number) : 1;
      norm += w * w;
      error += miss * miss;
      weighted += miss * miss * h;
      weightedNorm += w * w * h;
    }
    this.#weights += weights.length;
    this.#blocks += 1;
    this.#norm += norm;
    this.#error += error;
    this.#weighted += weighted;
    this.#weightedNorm += weightedNorm;
    if (norm === 0) this.#zero += 1;
    else if (exponentCode === 0) this.#floor += 1;
    else if (exponentCode === 15) this.#ceiling += 1;
    const last = this.#worst[worstCount - 1];
    if (last && error <= last.squaredError) return;
    const place = this.#worst.findIndex((other) => error > other.squaredError);
    const worst = { block, squaredError: error, snrDb: snrDb(error, norm) };
    this.#worst.splice(place < 0 ? this.#worst.length : place, 0, worst);
    this.#worst.length = Math.min(this.#worst.length, worstCount);
  }

  stats(): EncodeStats {
    return {
      weights: this.#weights,
      blocks: this.#blocks,
      squaredNorm: this.#norm,
      squaredError: this.#error,
      snrDb: snrDb(this.#error, this.#norm),
      weightedError: this.#weighted,
      weightedNorm: this.#weightedNorm,
      weightedSnrDb: snrDb(this.#weighted, this.#weightedNorm),
      worstBlocks: [...this.#worst],
      floorShare: this.#floor / Math.max(1, this.#blocks),
      ceilingShare: this.#ceiling / Math.max(1, this.#blocks),
      zeroBlocks: this.#zero,
    };
  }
}
