import type { Rng } from "@corenet/core";
import { type Tensor2D, tensor } from "@corenet/tensor";
import type { BatchSource, Json } from "@corenet/train";

/** Tokens [B, T] and those that follow each of them [B, T], both int32. */
export interface TextBatch {
  readonly tokens: Tensor2D;
  readonly targets: Tensor2D;
}

export interface WindowBatchesOptions {
  /** B */
  batchSize: number;
  /** T */
  length: number;
  rng: Rng;
}

/**
 * Endless batches of byte tokens. In each epoch every piece is cut into windows that lie side by side, from an offset
 * drawn anew, and these come in a random order: nothing is seen twice before all is seen once. The last windows of an
 * epoch and the first of the next share a batch.
 *
 * @param pieces - windows never reach from one into the next; those shorter than a window are not used
 * @throws RangeError when no piece holds T + 1 bytes
 */
export function windowBatches(
  pieces: readonly Uint8Array[],
  { batchSize: B, length: T, rng }: WindowBatchesOptions,
): BatchSource<TextBatch> {
  const usable = pieces.filter((piece) => piece.length > T);
  if (usable.length === 0) {
    const longest = pieces.reduce((most, { length }) => Math.max(most, length), 0);
    throw new RangeError(
      `windowBatches: the longest piece has ${longest} bytes, expected at least ${T + 1}, a window of ${T} and the ` +
        "byte after it. Use a longer text or a smaller length.",
    );
  }

  const windowsOf = (epoch: number): Uint8Array[] => {
    const chance = rng.split(epoch);
    const windows = usable.flatMap((piece) => {
      const offset = chance.integer(Math.min(T, piece.length - T));
      const count = Math.floor((piece.length - 1 - offset) / T);
      return Array.from({ length: count }, (_, i) =>
        piece.subarray(offset + i * T, offset + (i + 1) * T + 1),
      );
    });
    return chance.shuffle(windows);
  };

  let epoch = 0;
  let used = 0; // windows of this epoch
  let windows = windowsOf(epoch);
  const nextWindow = (): Uint8Array => {
    if (used === windows.length) {
      epoch += 1;
      used = 0;
      windows = windowsOf(epoch);
    }
    used += 1;
    return windows[used - 1] as Uint8Array;
  };

  return {
    next() {
      const tokens = new Int32Array(B * T);
      const targets = new Int32Array(B * T);
      for (let row = 0; row < B; row++) {
        const window = nextWindow(); // [T + 1]
        tokens.set(window.subarray(0, T), row * T);
        targets.set(window.subarray(1), row * T);
      }
      return { tokens: tensor(tokens, [B, T], "int32"), targets: tensor(targets, [B, T], "int32") };
    },
    save: (): Json => ({ epoch, used }),
    restore(saved) {
      ({ epoch, used } = parsePosition(saved));
      windows = windowsOf(epoch);
    },
  };
}

function parsePosition(saved: Json): { epoch: number; used: number } {
  if (typeof saved === "object" && saved !== null && "epoch" in saved && "used" in saved) {
    const { epoch, used } = saved;
    if (Number.isSafeInteger(epoch) && Number.isSafeInteger(used))
      return { epoch: Number(epoch), used: Number(used) };
  }
  throw new TypeError(
    `windowBatches: got the position ${JSON.stringify(saved)}, expected { epoch, used }. Pass what save() returned.`,
  );
}
