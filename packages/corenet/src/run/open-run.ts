import { resolve } from "node:path";
import { CheckpointError } from "@corenet/core";
import { readText, type Text, type TextSource } from "../text/read-text.ts";
import type { OnRunEvent } from "./events.ts";
import { type PlanOptions, planRun } from "./plan-run.ts";
import { type RunPaths, readSettings, writeSettings } from "./run-folder.ts";
import type { RunSettings } from "./settings.ts";

export interface OpenRunOptions extends PlanOptions {
  text: TextSource;
  onEvent?: OnRunEvent | undefined;
}

/**
 * The settings of the run in a folder, or undefined where there is none.
 *
 * @throws CheckpointError when something that the options name is not what the run was started with
 */
export async function findRun(paths: RunPaths, options: OpenRunOptions): Promise<RunSettings | undefined> {
  const started = await readSettings(paths);
  if (started) checkOptions(paths, started, options);
  return started;
}

/**
 * The run that was started, with its text; or a new one, planned and written into its folder.
 *
 * @throws CheckpointError when the text is not what it was when the run was started
 */
export async function openRun(
  paths: RunPaths,
  started: RunSettings | undefined,
  options: OpenRunOptions,
): Promise<{ settings: RunSettings; text: Text }> {
  const { onEvent } = options;
  const text = await readText(options.text);
  const { from, files, bytes, sha256 } = text;
  const textSettings = { from, files, bytes: bytes.length, sha256 };
  onEvent?.({ type: "text", text: textSettings });

  if (started && started.text.sha256 !== sha256) {
    throw contradiction(
      paths,
      `was started on a text of SHA-256 ${started.text.sha256.slice(0, 16)}… (${started.text.bytes} bytes), ` +
        `and the text is ${sha256.slice(0, 16)}… (${bytes.length} bytes) now`,
      "Restore the text to go on",
    );
  }
  if (!started && options.steps === undefined) onEvent?.({ type: "calibrate" });
  const settings = started ?? (await planRun(text, options));
  if (!started) await writeSettings(paths, settings);
  onEvent?.({ type: "plan", settings, resumed: started !== undefined });
  return { settings, text };
}

/** What was asked for by name must be what the run was started with. */
function checkOptions(paths: RunPaths, started: RunSettings, { text, ...options }: OpenRunOptions): void {
  const from = typeof text === "string" ? resolve(text) : "repository";
  const asked: [name: string, asked: unknown, had: unknown][] = [
    ["text", from, started.text.from],
    ["seed", options.seed, started.seed],
    ["steps", options.steps, started.training.steps],
    ["minutes", options.minutes, started.calibration?.minutes],
  ];
  for (const [name, want, had] of asked) {
    if (want === undefined || want === had) continue;
    const before = had === undefined ? `without ${name}` : `with ${name} ${had}`;
    throw contradiction(
      paths,
      `was started ${before}, and ${want} is asked for now`,
      `Leave ${name} out to go on`,
    );
  }
}

function contradiction(paths: RunPaths, difference: string, advice: string): CheckpointError {
  return new CheckpointError(
    `corenet: the run in ${paths.folder} ${difference}. ${advice}, start anew with --fresh, or name another folder with --out.`,
    { path: paths.folder },
  );
}
