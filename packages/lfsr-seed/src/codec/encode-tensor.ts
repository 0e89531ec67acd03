import type { OnProgress } from "@corenet/core";
import type { ReadWeights } from "./block-run.ts";
import type { BlockSearch } from "./block-search.ts";
import type { LfsrBits, LfsrConfig } from "./config.ts";
import type { EncodeStats } from "./encode-stats.ts";
import { encodeJob, encodeWeights, largestRms } from "./encode-weights.ts";
import { autoExpBias, type ExpBias } from "./exponent-bias.ts";
import type { ExponentRule } from "./exponent-rule.ts";
import { checkImportance } from "./importance.ts";
import type { LfsrLayout, LfsrTensor, SourceDtype } from "./lfsr-tensor.ts";

export interface EncodeTensorOptions {
  /** @default 4 */
  bits?: LfsrBits | undefined;
  /** In place of `bits`. */
  config?: LfsrConfig | undefined;
  /** @default "best" */
  exponentRule?: ExponentRule | undefined;
  /** @default "auto" */
  expBias?: ExpBias | undefined;
  /** @default "rows" */
  layout?: LfsrLayout | undefined;
  /**
   * What errors cost, one number >= 0 per weight, or per column (input feature): the search minimizes
   * `sum h (w - w^)^2`. Within a block, h below 2^-10 of the largest counts as that. One per weight is slow: every
   * block needs its own table of seeds.
   */
  importance?: ArrayLike<number> | undefined;
  /** Seeds 1..nSeeds are searched. @default all, 2^K - 1 */
  nSeeds?: number | undefined;
  /** What finds the codes. @default WebAssembly, on worker threads where there are many weights */
  search?: BlockSearch | undefined;
  /** Worker threads of the default search; 0 stays on the calling thread. @default one for each core, or 0 for few weights */
  workers?: number | undefined;
  /** Name for error texts and progress. */
  name?: string | undefined;
  /** Kept in the result. @default "F32" */
  sourceDtype?: SourceDtype | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: OnProgress | undefined;
}

export interface EncodedTensor extends LfsrTensor {
  readonly stats: EncodeStats;
}

/**
 * Compresses a tensor: cuts it into blocks of C and finds the best code of each, over all seeds. The result is the
 * same on every machine and with every search.
 *
 * @param data - finite weights, row-major
 * @param shape - sizes of 1 to 4 axes; the last is the columns, the input features of an [out, in] matrix
 * @throws RangeError when shape, data or options do not fit each other, or a weight is not finite: it names the index
 * @throws `signal.reason` when aborted
 */
export async function encodeTensor(
  data: Float32Array,
  shape: readonly number[],
  options: EncodeTensorOptions = {},
): Promise<EncodedTensor> {
  if (options.search) return encodeBy(options.search, data, shape, options);
  const { defaultSearch } = await import("../search/default-search.ts"); // larger than all the rest of the codec
  await using search = await defaultSearch(data.length, options.workers);
  return await encodeBy(search, data, shape, options);
}

async function encodeBy(
  search: BlockSearch,
  data: Float32Array,
  shape: readonly number[],
  options: EncodeTensorOptions,
): Promise<EncodedTensor> {
  const { name = "tensor", importance } = options;
  const job = encodeJob(shape, { ...options, search });
  const { size } = job.grid;
  if (data.length !== size) {
    throw new RangeError(
      `encodeTensor: ${name} has ${data.length} weights, expected ${size} for shape [${shape}]. Pass all of them.`,
    );
  }
  const bad = data.findIndex((w) => !Number.isFinite(w));
  if (bad >= 0) {
    throw new RangeError(
      `encodeTensor: weight ${bad} of ${name} is ${data[bad]}, expected a finite number. Mend or leave out the tensor.`,
    );
  }
  let done = 0;
  const read: ReadWeights = (first, into) => into.set(data.subarray(first, first + into.length));
  const encoded = await encodeWeights(job, read, {
    expBias: job.expBias ?? autoExpBias(await largestRms(job, read), job.config.K),
    importance: importance && checkImportance(name, importance, job.grid),
    onBatch(weights) {
      done += weights;
      options.onProgress?.({ phase: "encode", unit: "weights", done, total: size, item: name });
    },
  });
  return encoded;
}
