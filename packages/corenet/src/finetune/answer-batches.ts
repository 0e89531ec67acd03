import type { Rng } from "@corenet/core";
import type { TextSample } from "@corenet/openelm";
import { tensor } from "@corenet/tensor";
import type { BatchSource, Json } from "@corenet/train";
import type { TextBatch } from "../text/window-batches.ts";

const multiple = 16; // of a batch's length: few different shapes

/**
 * Endless batches of samples, each once an epoch in an order drawn anew. A batch is as long as its longest sample needs.
 *
 * @param samples - of one length
 * @param options - `ignoreId` stands in targets where nothing is predicted
 * @throws RangeError when there are no samples
 */
export function answerBatches(
  samples: readonly TextSample[],
  options: { batchSize: number; ignoreId: number; rng: Rng },
): BatchSource<TextBatch> {
  const { batchSize: B, ignoreId, rng } = options;
  if (samples.length === 0) {
    throw new RangeError(
      "answerBatches: got no samples, expected one at least. Raise the context or check the data.",
    );
  }
  const used = samples.map(({ targets }) => 1 + targets.findLastIndex((id) => id !== ignoreId));
  const orderOf = (epoch: number) => rng.split(epoch).shuffle(Array.from(samples.keys()));
  let position = 0; // in samples, over all epochs
  let order = { epoch: 0, indices: orderOf(0) };

  function next(): number {
    const epoch = Math.floor(position / samples.length);
    if (epoch !== order.epoch) order = { epoch, indices: orderOf(epoch) };
    const index = order.indices[position % samples.length] as number;
    position += 1;
    return index;
  }

  return {
    next() {
      const rows = Array.from({ length: B }, next);
      const longest = Math.max(...rows.map((row) => used[row] as number));
      const most = samples[0]?.tokens.length ?? 0;
      const T = Math.min(most, Math.ceil(longest / multiple) * multiple);
      const tokens = new Int32Array(B * T);
      const targets = new Int32Array(B * T);
      rows.forEach((row, b) => {
        tokens.set((samples[row] as TextSample).tokens.subarray(0, T), b * T);
        targets.set((samples[row] as TextSample).targets.subarray(0, T), b * T);
      });
      return { tokens: tensor(tokens, [B, T], "int32"), targets: tensor(targets, [B, T], "int32") };
    },
    save: (): Json => ({ position }),
    restore(saved) {
      const stored =
        typeof saved === "object" && saved !== null && "position" in saved ? saved.position : undefined;
      if (!Number.isSafeInteger(stored)) {
        throw new TypeError(
          `answerBatches: got the position ${JSON.stringify(saved)}, expected { position }. Pass what save() returned.`,
        );
      }
      position = Number(stored);
      const epoch = Math.floor(position / samples.length);
      order = { epoch, indices: orderOf(epoch) };
    },
  };
}
