import { createProgress, type Progress, throwIfAborted } from "@corenet/core";
import {
  fileSink,
  makeFolder,
  openCheckpoint,
  type SafetensorsEntry,
  type TensorFile,
  toFloat32,
  writeSafetensors,
} from "@corenet/formats";
import type { ReadWeights } from "../codec/block-run.ts";
import type { BlockSearch } from "../codec/block-search.ts";
import { snrDb } from "../codec/encode-stats.ts";
import type { EncodeTensorOptions } from "../codec/encode-tensor.ts";
import { encodeWeights, largestRms } from "../codec/encode-weights.ts";
import { autoExpBias } from "../codec/exponent-bias.ts";
import type { SourceDtype } from "../codec/lfsr-tensor.ts";
import { suffixes } from "../container/lfsr-entries.ts";
import { defaultSearch } from "../search/default-search.ts";
import { openCodesJournal } from "./codes-journal.ts";
import { copyOtherFiles } from "./copy-other-files.ts";
import { encodeMeter } from "./encode-meter.ts";
import { nodeFs, nodePath } from "./node-modules.ts";
import { type CheckpointPlan, planCheckpoint, type TensorPlan } from "./plan-checkpoint.ts";
import { type CompressReport, reportTable, type TensorReport } from "./report.ts";
import { reportSvg } from "./report-svg.ts";
import type { SelectOptions } from "./select-tensors.ts";
import { readPart, type TensorPart, writePart } from "./tensor-part.ts";
import { weightReader } from "./weight-reader.ts";
import { WorkFolder } from "./work-folder.ts";

export interface CompressCheckpointOptions
  extends SelectOptions,
    Pick<EncodeTensorOptions, "bits" | "config" | "exponentRule" | "expBias" | "layout" | "nSeeds"> {
  /** A folder with model.safetensors or its shards, or one .safetensors file. */
  source: string;
  /** The folder to make. Work lies in `<out>.partial` until all is done. */
  out: string;
  /**
   * What errors cost: for a tensor, one number >= 0 per column (input feature), such as the mean square of each input.
   * Such tensors are held whole, as float32.
   */
  importanceOf?: ((name: string, shape: readonly number[]) => ArrayLike<number> | undefined) | undefined;
  /** @default WebAssembly on `workers` threads */
  search?: BlockSearch | undefined;
  /** Worker threads of the search, where none is given; 0 searches on the calling thread. @default one for each core */
  workers?: number | undefined;
  /** Replace `out` where it is there and not empty. @default false */
  overwrite?: boolean | undefined;
  /** Drop what an interrupted run left in `<out>.partial`. @default false */
  fresh?: boolean | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: CompressProgress) => void) | undefined;
}

/** Phases are "scan" and "encode", in weights, and "write", in bytes. */
export interface CompressProgress extends Progress {
  /** Speed of the search in this run, once there is one. */
  weightsPerSecond?: number;
}

/**
 * Compresses a whole checkpoint, tensor by tensor, into a folder with `model.safetensors`, the other files of the source,
 * and a report as `compression.json`, `compression.txt` and `compression.svg`. Node only.
 *
 * All weights are read and checked first. Then codes go to `<out>.partial` as they are found: killed at any moment, the
 * same call goes on where it was. `out` appears at the end, whole; after an error it is as it was before. Of a tensor no
 * more than some pieces and its codes are in memory, but of one that is copied or has an importance.
 *
 * @throws RangeError when options are wrong
 * @throws CheckpointError when nothing is to be compressed, `out` is not empty, or an interrupted run had other settings
 * @throws FormatError when a weight is NaN or infinite (it names tensor and index), or a file is broken
 * @throws IoError when a file cannot be read or written
 * @throws `signal.reason` when aborted; what was done is kept
 */
export async function compressCheckpoint(options: CompressCheckpointOptions): Promise<CompressReport> {
  const { source, out, overwrite = false, fresh = false, signal, onProgress } = options;
  throwIfAborted(signal);
  const folder = await WorkFolder.claim({ source, out, overwrite });
  const checkpoint = await openCheckpoint(source, { signal });
  const owned = options.search ? undefined : await defaultSearch(Infinity, options.workers);
  const search = options.search ?? (owned as BlockSearch);
  try {
    const plan = await planCheckpoint(checkpoint, { ...options, search });
    const isResumed = !fresh && (await folder.canResume(plan.fingerprint));
    const finished = await Promise.all(plan.tensors.map((_, i) => isResumed && folder.isFinished(i)));
    const biases = await scan(checkpoint, plan, finished, options);
    if (!isResumed) await folder.create(plan.fingerprint);

    const meter = encodeMeter(plan.tensors, onProgress);
    const parts: TensorPart[] = [];
    for (const [i, tensor] of plan.tensors.entries()) {
      throwIfAborted(signal);
      if (finished[i]) meter.skip(tensor.job.grid.size, tensor.name);
      else await encodePart(checkpoint, tensor, biases[i] as number, folder, i, meter.count, signal);
      parts.push(await readPart(folder.part(i), tensor.name));
    }
    const { weights: encodedWeights, ms: encodeMs } = meter.finish();

    await makeFolder(folder.result);
    await writeModel(checkpoint, plan, parts, folder, options);
    const skippedFiles = await copyOtherFiles(source, folder.result);
    const report = makeReport(plan, parts, { source, out, encodedWeights, encodeMs, skippedFiles });
    await writeReports(folder.result, report);
    throwIfAborted(signal);
    await folder.commit();
    return report;
  } finally {
    await owned?.dispose();
    await checkpoint.close();
  }
}

/** Reads all weights: finds the exponent window of each tensor, and refuses what is not finite before work begins. */
async function scan(
  checkpoint: TensorFile,
  { tensors }: CheckpointPlan,
  finished: readonly boolean[],
  { signal, onProgress }: CompressCheckpointOptions,
): Promise<number[]> {
  const total = tensors.reduce((sum, { job }) => sum + job.grid.size, 0);
  const progress = createProgress({ phase: "scan", unit: "weights", total, onProgress });
  const biases: number[] = [];
  for (const [i, { name, info, job }] of tensors.entries()) {
    throwIfAborted(signal);
    if (!finished[i]) {
      const read = weightReader(checkpoint, name, info.dtype as SourceDtype, { signal });
      const rms = await largestRms(job, read);
      biases[i] = job.expBias ?? autoExpBias(rms, job.config.K);
    }
    progress.advance(job.grid.size, name);
  }
  progress.finish();
  return biases;
}

async function encodePart(
  checkpoint: TensorFile,
  { name, info, job, importance }: TensorPlan,
  expBias: number,
  folder: WorkFolder,
  index: number,
  count: (weights: number, fromJournal: boolean, name: string) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { rm } = nodeFs("compressCheckpoint", folder.path);
  const journal = await openCodesJournal(folder.codes(index), job.config);
  try {
    const dtype = info.dtype as SourceDtype;
    const read = importance
      ? await wholeReader(checkpoint, name, signal)
      : weightReader(checkpoint, name, dtype, { signal });
    const onBatch = (weights: number, fromJournal: boolean) => count(weights, fromJournal, name);
    const encoded = await encodeWeights({ ...job, signal }, read, { expBias, importance, journal, onBatch });
    await writePart(folder.part(index), name, encoded);
  } finally {
    await journal.close();
  }
  await rm(folder.codes(index), { force: true });
}

/** Weights in any order, for columns of their own importance. */
async function wholeReader(
  checkpoint: TensorFile,
  name: string,
  signal: AbortSignal | undefined,
): Promise<ReadWeights> {
  const dtype = checkpoint.tensors.get(name)?.dtype ?? "F32";
  const weights = toFloat32(dtype, await checkpoint.read(name, { signal }));
  return (first, into) => into.set(weights.subarray(first, first + into.length));
}

/** Compressed entries first, by their kind, then what is copied. */
async function writeModel(
  checkpoint: TensorFile,
  { tensors, kept }: CheckpointPlan,
  parts: readonly TensorPart[],
  folder: WorkFolder,
  { signal, onProgress }: CompressCheckpointOptions,
): Promise<void> {
  const kinds = Object.values(suffixes);
  const kindOf = ({ name }: SafetensorsEntry) => kinds.findIndex((suffix) => name.endsWith(suffix));
  const compressed = parts.flatMap(({ entries }) => entries).sort((a, b) => kindOf(a) - kindOf(b));
  const copied = kept.map(({ name, shape }) => ({
    ...{ name, shape, dtype: checkpoint.tensors.get(name)?.dtype ?? "F32" },
    data: () => checkpoint.read(name, { signal }),
  }));
  const about = { ...Object.fromEntries(checkpoint.metadata), format: "corenet-lfsr", version: "1" };
  const { join } = nodePath("compressCheckpoint", folder.result);
  await writeSafetensors(
    await fileSink(join(folder.result, "model.safetensors")),
    [...compressed, ...copied],
    {
      ...{
        metadata: { ...about, tensors: String(tensors.length) },
        order: "given",
        alignBytes: 64,
        signal,
        onProgress,
      },
    },
  );
}

function makeReport(
  { tensors, kept }: CheckpointPlan,
  parts: readonly TensorPart[],
  facts: Pick<CompressReport, "source" | "out" | "encodedWeights" | "encodeMs" | "skippedFiles">,
): CompressReport {
  const reports = tensors.map(({ name, info, job, importance }, i): TensorReport => {
    const { entries, expBias, stats } = parts[i] as TensorPart;
    const itemBytes = { I32: 4, U32: 4, U16: 2 } as Readonly<Record<string, number>>;
    const bytesOf = ({ dtype, shape }: SafetensorsEntry) =>
      shape.reduce((n, size) => n * size, itemBytes[dtype] ?? 1);
    return {
      ...{ name, shape: info.shape, sourceDtype: job.sourceDtype, expBias, stats },
      isWeighted: importance !== undefined,
      bytesBefore: info.byteLength,
      bytesAfter: entries.reduce((sum, entry) => sum + bytesOf(entry), 0),
    };
  });
  const sum = (numbers: readonly number[]) => numbers.reduce((total, n) => total + n, 0);
  const copied = sum(kept.map(({ bytes }) => bytes));
  return {
    ...facts,
    config: (tensors[0] as TensorPlan).job.config,
    ...{ tensors: reports, kept },
    bytesBefore: sum(reports.map(({ bytesBefore }) => bytesBefore)) + copied,
    bytesAfter: sum(reports.map(({ bytesAfter }) => bytesAfter)) + copied,
    snrDb: snrDb(
      sum(reports.map(({ stats }) => stats.squaredError)),
      sum(reports.map(({ stats }) => stats.squaredNorm)),
    ),
  };
}

async function writeReports(folder: string, report: CompressReport): Promise<void> {
  const { join } = nodePath("compressCheckpoint", folder);
  const files = {
    "compression.json": `${JSON.stringify(report, undefined, 1)}\n`,
    "compression.txt": `${reportTable(report)}\n`,
    "compression.svg": reportSvg(report),
  };
  for (const [name, text] of Object.entries(files)) {
    const sink = await fileSink(join(folder, name));
    await sink.write(new TextEncoder().encode(text));
    await sink.close();
  }
}
