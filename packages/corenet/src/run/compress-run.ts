import { stat } from "node:fs/promises";
import { join } from "node:path";
import { compressCheckpoint, lfsrContainer } from "@corenet/lfsr-seed";
import { loadOpenElm } from "@corenet/openelm";
import { bitsPerByte } from "../text/bits-per-byte.ts";
import { evaluatedBlocks } from "./evaluate.ts";
import type { OnRunEvent } from "./events.ts";
import type { CompressedResult } from "./result.ts";
import type { RunPaths } from "./run-folder.ts";
import { writeSample } from "./write-sample.ts";

/** Bits a weight, as SeedLM's two configurations have them. */
export type CompressBits = keyof RunPaths["compressed"];

/**
 * Compresses the saved model of a run by SeedLM, loads it again as it is, packed, and measures and samples it as the run
 * measured its own.
 */
export async function compressRun(
  paths: RunPaths,
  bits: CompressBits,
  heldOut: readonly Uint8Array[],
  {
    seed,
    signal,
    onEvent,
  }: { seed: number; signal?: AbortSignal | undefined; onEvent?: OnRunEvent | undefined },
): Promise<CompressedResult> {
  onEvent?.({ type: "compress", bits });
  const out = paths.compressed[bits];
  await compressCheckpoint({ source: paths.model, out, bits, overwrite: true, fresh: true, signal });
  const fileBytes = await weightBytes(out);
  using model = await loadOpenElm(out, { packed: [lfsrContainer()], ...(signal ? { signal } : {}) });
  const measured = await bitsPerByte(model, evaluatedBlocks(heldOut), { signal });
  onEvent?.({ type: "compressed", bits, fileBytes, bitsPerByte: measured });
  const sample = await writeSample(model, heldOut[0] as Uint8Array, { seed, signal, onEvent });
  return { bits, fileBytes, bitsPerByte: measured, sample };
}

/** Bytes of the weights of a saved model. */
export async function weightBytes(folder: string): Promise<number> {
  return (await stat(join(folder, "model.safetensors"))).size;
}
