import { CheckpointError } from "@corenet/core";
import type { TensorFile, TensorInfo } from "@corenet/formats";
import type { BlockSearch } from "../codec/block-search.ts";
import type { EncodeTensorOptions } from "../codec/encode-tensor.ts";
import { type EncodeJob, encodeJob } from "../codec/encode-weights.ts";
import { checkImportance, type Importance } from "../codec/importance.ts";
import type { SourceDtype } from "../codec/lfsr-tensor.ts";
import { nodeFs } from "./node-modules.ts";
import type { KeptTensor } from "./report.ts";
import { reasonToKeep, type SelectOptions } from "./select-tensors.ts";

/** A tensor to be compressed. */
export interface TensorPlan {
  readonly name: string;
  readonly info: TensorInfo;
  readonly job: EncodeJob;
  readonly importance: Importance | undefined;
}

export interface CheckpointPlan {
  readonly tensors: readonly TensorPlan[];
  readonly kept: readonly KeptTensor[];
  /** Everything that the codes depend on: a run may go on with the codes of another only where it is the same. */
  readonly fingerprint: string;
}

/** What is compressed and how, what is copied. @throws CheckpointError when nothing would be compressed */
export async function planCheckpoint(
  checkpoint: TensorFile,
  options: SelectOptions &
    EncodeTensorOptions & {
      search: BlockSearch;
      importanceOf?: ((name: string, shape: readonly number[]) => ArrayLike<number> | undefined) | undefined;
    },
): Promise<CheckpointPlan> {
  const tensors: TensorPlan[] = [];
  const kept: KeptTensor[] = [];
  for (const [name, info] of checkpoint.tensors) {
    const { dtype, shape, byteLength } = info;
    const reason = reasonToKeep(name, info, options);
    if (reason !== undefined) {
      kept.push({ name, shape, dtype, bytes: byteLength, reason });
      continue;
    }
    const job = encodeJob(shape, { ...options, name, sourceDtype: dtype as SourceDtype });
    const values = options.importanceOf?.(name, shape);
    const importance = values && checkImportance(name, values, job.grid);
    tensors.push({ name, info, job, importance });
  }
  if (tensors.length === 0) {
    const names = kept.slice(0, 3).map(({ name, reason }) => `${name} ${reason}`);
    throw new CheckpointError(
      `compressCheckpoint: none of the ${kept.length} tensors would be compressed: ${names.join("; ") || "there are none"}. ` +
        "Name what you want with include.",
    );
  }
  return { tensors, kept, fingerprint: await fingerprintOf(tensors) };
}

async function fingerprintOf(tensors: readonly TensorPlan[]): Promise<string> {
  const { stat } = nodeFs("compressCheckpoint", "source");
  const { crc32 } = process.getBuiltinModule("node:zlib");
  const files = await Promise.all(
    [...new Set(tensors.map(({ info }) => info.file))].map(async (file) => {
      const { size, mtimeMs } = await stat(file);
      return { file, size, mtimeMs };
    }),
  );
  const codes = tensors.map(({ name, info, job, importance }) => ({
    name,
    offset: info.offset,
    shape: info.shape,
    dtype: info.dtype,
    config: job.config,
    exponentRule: job.exponentRule,
    expBias: job.expBias ?? "auto",
    layout: job.layout,
    nSeeds: job.nSeeds,
    importance: importance && crc32(new Uint8Array(Float64Array.from(importance.values).buffer)),
  }));
  return JSON.stringify({ version: 2, files, tensors: codes });
}
