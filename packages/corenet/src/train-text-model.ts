import { throwIfAborted } from "@corenet/core";
import { saveOpenElm } from "@corenet/openelm";
import { checkReload } from "./run/check-reload.ts";
import { type CompressBits, compressRun, weightBytes } from "./run/compress-run.ts";
import { evaluate } from "./run/evaluate.ts";
import type { OnRunEvent } from "./run/events.ts";
import { findRun, openRun } from "./run/open-run.ts";
import type { PlanOptions } from "./run/plan-run.ts";
import type { CompressedResult, RunResult } from "./run/result.ts";
import { type RunPaths, readResult, removeRun, runPaths, writeResult } from "./run/run-folder.ts";
import type { RunSettings } from "./run/settings.ts";
import { trainToEnd } from "./run/train-to-end.ts";
import { windowSaving } from "./run/window-saving.ts";
import { longestWindow } from "./run/window-scales.ts";
import { writeSample } from "./run/write-sample.ts";
import type { TextSource } from "./text/read-text.ts";
import { splitText } from "./text/split-text.ts";

export interface TrainTextOptions extends PlanOptions {
  text: TextSource;
  /** Where checkpoints and results go; made if it is not there. A run that lies in it goes on. */
  out: string;
  /** Removes the run in `out`, if there is one, and starts anew. @default false */
  fresh?: boolean | undefined;
  /** Most time between two checkpoints. @default 10 */
  checkpointSeconds?: number | undefined;
  /** Also compresses the model by SeedLM, to so many bits a weight. @default [] */
  compressTo?: readonly CompressBits[] | undefined;
  /** When aborted, the run writes a checkpoint and rejects with the reason. */
  signal?: AbortSignal | undefined;
  onEvent?: OnRunEvent | undefined;
}

export interface TextRun {
  readonly paths: RunPaths;
  readonly settings: RunSettings;
  readonly result: RunResult;
  /** Whether it had come to its end before, so that nothing was done now. */
  readonly wasFinished: boolean;
}

/**
 * Trains a byte-level OpenELM on a text; then saves, reloads, measures and samples it. All that the model depends on is
 * decided once and written into `run.json`. A run that was interrupted, at whatever moment, goes on from its newest
 * checkpoint and ends with the same model to the bit. Call `useBackend` before.
 *
 * @param options - those of the plan are for a new run; what contradicts a run that goes on is refused
 * @throws CheckpointError when `out` holds a run of another text or of other settings
 * @throws IoError when the text cannot be read or `out` cannot be written
 * @throws RangeError when the text is empty or shorter than a window
 * @throws the signal's reason when it is aborted
 */
export async function trainTextModel(options: TrainTextOptions): Promise<TextRun> {
  const { fresh = false, signal, onEvent } = options;
  throwIfAborted(signal);
  const paths = runPaths(options.out);
  if (fresh) await removeRun(paths);
  const started = await findRun(paths, options);
  const finished = started && (await readResult(paths));
  if (finished) return { paths, settings: started, result: finished, wasFinished: true };

  const { settings, text } = await openRun(paths, started, options);
  const split = splitText(text.bytes, { window: longestWindow(settings.training) });
  const trained = await trainToEnd(paths, settings, split, options);
  using model = trained.model;
  const [firstBlock] = split.heldOut as [Uint8Array];

  await saveOpenElm(model, paths.model);
  await checkReload(model, paths.model, firstBlock);
  const heldOut = await evaluate(model, split.heldOut, { signal, onEvent });
  const sample = await writeSample(model, firstBlock, { seed: settings.seed, signal, onEvent });
  const windows = windowSaving(settings);
  const compressed: CompressedResult[] = [];
  for (const bits of options.compressTo ?? []) {
    compressed.push(await compressRun(paths, bits, split.heldOut, { seed: settings.seed, signal, onEvent }));
  }
  const fileBytes = await weightBytes(paths.model);
  const result: RunResult = { version: 2, heldOut, windows, sample, fileBytes, compressed, ...trained.facts };
  await writeResult(paths, result);
  return { paths, settings, result, wasFinished: false };
}
