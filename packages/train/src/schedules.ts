/** The learning rate of each step; steps count from 0. */
export interface Schedule {
  (step: number): number;
  /** What it was made from, for the checkpoint to tell. */
  readonly settings?: Readonly<Record<string, string | number>>;
}

export interface WarmupOptions {
  /** Steps of the linear rise from `warmupInit` to the peak; 0 for none. @default 0 */
  warmup?: number;
  /** Learning rate of step 0, where there is a warm-up. @default 0 */
  warmupInit?: number;
  /** Rounds every value to so many decimals, as CoreNet does with 8. @default not */
  roundDecimals?: number;
}

export interface DecayOptions extends WarmupOptions {
  peak: number;
  /** Where it ends. @default 0 */
  min?: number;
  /**
   * The last step, CoreNet's `max_iterations`: steps 0 to `total` lie on the curve, which reaches `min` at `total + 1`
   * and stays there.
   */
  total: number;
}

export interface ConstantOptions extends WarmupOptions {
  learningRate: number;
}

/**
 * Linear warm-up, then half a cosine from `peak` to `min`. With W = warmup and N = total:
 * n < W: warmupInit + n (peak − warmupInit)/W;  else min + ½(peak − min)(1 + cos(π(n − W)/(N − W + 1))).
 *
 * @throws RangeError when a number is negative or not finite, or the warm-up is longer than the whole
 * @see Loshchilov and Hutter 2017, arXiv:1608.03983, eq. 5, without restarts
 */
export function cosineSchedule(options: DecayOptions): Schedule {
  return decaySchedule("cosine", options, (along) => 0.5 * (1 + Math.cos(Math.PI * along)));
}

/** As `cosineSchedule`, but on a straight line. */
export function linearSchedule(options: DecayOptions): Schedule {
  return decaySchedule("linear", options, (along) => 1 - along);
}

/** One learning rate, after a warm-up where one is asked for. */
export function constantSchedule({ learningRate, ...warmup }: ConstantOptions): Schedule {
  checkNumbers("constantSchedule", { learningRate, ...warmup });
  return withWarmup({ kind: "constant", learningRate, ...warmup }, learningRate, warmup, () => learningRate);
}

/** @param shape - from 1 at the peak (0) to 0 at the end (1) */
function decaySchedule(
  kind: "cosine" | "linear",
  options: DecayOptions,
  shape: (along: number) => number,
): Schedule {
  const { peak, min = 0, total, ...warmupOptions } = options;
  const { warmup = 0 } = warmupOptions;
  checkNumbers(`${kind}Schedule`, { peak, min, total, ...warmupOptions });
  if (warmup > total) {
    throw new RangeError(
      `${kind}Schedule: warmup is ${warmup} and total is ${total}, expected warmup <= total. Shorten the warm-up.`,
    );
  }
  return withWarmup({ kind, ...options }, peak, warmupOptions, (step) => {
    const along = Math.min(1, (step - warmup) / (total - warmup + 1));
    return min + (peak - min) * shape(along);
  });
}

function withWarmup(
  settings: Readonly<Record<string, string | number>>,
  peak: number,
  { warmup = 0, warmupInit = 0, roundDecimals }: WarmupOptions,
  after: (step: number) => number,
): Schedule {
  const schedule = (step: number): number => {
    checkNumbers("schedule", { step });
    const exact = step < warmup ? warmupInit + (step * (peak - warmupInit)) / warmup : after(step);
    return roundDecimals === undefined ? exact : Number(exact.toFixed(roundDecimals));
  };
  return Object.assign(schedule, { settings });
}

const whole = new Set(["step", "total", "warmup", "roundDecimals"]);

function checkNumbers(who: string, numbers: Record<string, number | undefined>): void {
  for (const [name, value] of Object.entries(numbers)) {
    if (value === undefined) continue;
    const fits = value >= 0 && (whole.has(name) ? Number.isSafeInteger(value) : value < Infinity);
    if (fits) continue;
    throw new RangeError(
      `${who}: ${name} is ${value}, expected ${whole.has(name) ? "an integer" : "a finite number"} >= 0.`,
    );
  }
}
