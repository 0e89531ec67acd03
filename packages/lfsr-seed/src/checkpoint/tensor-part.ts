import { FormatError } from "@corenet/core";
import {
  fileSink,
  fileSource,
  openSafetensors,
  type SafetensorsEntry,
  type TensorFile,
  writeSafetensors,
} from "@corenet/formats";
import { type EncodeStats, snrDb } from "../codec/encode-stats.ts";
import type { EncodedTensor } from "../codec/encode-tensor.ts";
import { lfsrEntries, suffixes } from "../container/lfsr-entries.ts";

/** A finished tensor of an unfinished checkpoint, as a file. */
export interface TensorPart {
  /** Its entries; each is read from the file when its turn comes. */
  readonly entries: SafetensorsEntry[];
  readonly expBias: number;
  readonly stats: EncodeStats;
}

/** Writes a tensor and its statistics as a file of its own, which appears whole or not at all. */
export async function writePart(path: string, name: string, tensor: EncodedTensor): Promise<void> {
  const metadata = { stats: JSON.stringify(tensor.stats), expBias: String(tensor.expBias) };
  await writeSafetensors(await fileSink(path), lfsrEntries(name, tensor), { metadata });
}

/** @throws FormatError when the file is none that `writePart` wrote for the tensor */
export async function readPart(path: string, name: string): Promise<TensorPart> {
  const file = await openSafetensors(await fileSource(path));
  await file.close();
  const { stats, expBias } = Object.fromEntries(file.metadata);
  if (!stats || !expBias || !file.tensors.has(name + suffixes.config)) {
    throw new FormatError(
      `compressCheckpoint: ${path} does not hold ${name} and its statistics. It is damaged; start afresh.`,
      { file: path, tensor: name },
    );
  }
  const entries = [...file.tensors].map(([entry, { dtype, shape }]) => ({
    ...{ name: entry, dtype, shape },
    data: () => reading(path, (part) => part.read(entry)),
  }));
  return { entries, expBias: Number(expBias), stats: parseStats(stats) };
}

async function reading<T>(path: string, work: (file: TensorFile) => Promise<T>): Promise<T> {
  const file = await openSafetensors(await fileSource(path));
  try {
    return await work(file);
  } finally {
    await file.close();
  }
}

/** JSON has no infinity: what an exact block has in dB comes back from null. */
function parseStats(text: string): EncodeStats {
  const stats: EncodeStats = JSON.parse(text, (key, value) =>
    (key === "snrDb" || key === "weightedSnrDb") && value === null ? Infinity : value,
  );
  return { ...stats, snrDb: snrDb(stats.squaredError, stats.squaredNorm) };
}
