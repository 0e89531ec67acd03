import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { CheckpointError, FormatError } from "@corenet/core";
import { makeFolder, readJson } from "@corenet/formats";
import { folderStore, listCheckpoints } from "@corenet/train";
import type { RunResult } from "./result.ts";
import type { RunSettings } from "./settings.ts";
import { writeJson } from "./write-text.ts";

/** What lies where in the folder of a run. */
export interface RunPaths {
  readonly folder: string;
  readonly settings: string;
  readonly checkpoints: string;
  readonly result: string;
  /** A Hugging Face folder. */
  readonly model: string;
  /** The same, compressed to so many bits a weight. */
  readonly compressed: { readonly 4: string; readonly 3: string };
  readonly report: string;
}

export function runPaths(folder: string): RunPaths {
  return {
    folder,
    settings: join(folder, "run.json"),
    checkpoints: join(folder, "checkpoints"),
    result: join(folder, "result.json"),
    model: join(folder, "model"),
    compressed: { 4: join(folder, "model-4bit"), 3: join(folder, "model-3bit") },
    report: join(folder, "report.html"),
  };
}

/**
 * The settings of the run in a folder, or undefined where none was started.
 *
 * @throws FormatError when run.json is not what we write
 * @throws CheckpointError when there are checkpoints without it
 */
export async function readSettings(paths: RunPaths): Promise<RunSettings | undefined> {
  if (existsSync(paths.settings)) return parse<RunSettings>(paths.settings, settingsParts);
  const checkpoints = await listCheckpoints(paths.checkpoints);
  if (checkpoints.length === 0) return undefined;
  throw new CheckpointError(
    `readSettings: ${paths.folder} has ${checkpoints.length} checkpoints and no run.json, which says what they are of. ` +
      "Put it back, name another folder with --out, or remove the checkpoints with --fresh.",
    { path: paths.folder },
  );
}

/** Starts the folder of a run. @throws IoError when it cannot be written */
export async function writeSettings(paths: RunPaths, settings: RunSettings): Promise<void> {
  await makeFolder(paths.folder);
  await writeJson(paths.settings, settings);
}

/** The result of the run in a folder, or undefined where it has not come to its end. */
export async function readResult(paths: RunPaths): Promise<RunResult | undefined> {
  return existsSync(paths.result) ? parse<RunResult>(paths.result, resultParts) : undefined;
}

/** Ends a run: it counts as finished from here on. @throws IoError when it cannot be written */
export async function writeResult(paths: RunPaths, result: RunResult): Promise<void> {
  await writeJson(paths.result, result);
}

/**
 * Removes the run in a folder, and nothing else in it: its result first and its settings last, so that what an
 * interruption leaves is a run that can go on. The model of the run stays until the next one replaces it.
 */
export async function removeRun(paths: RunPaths): Promise<void> {
  await rm(paths.result, { force: true });
  await rm(paths.report, { force: true });
  const store = folderStore(paths.checkpoints);
  for (const { file } of await listCheckpoints(store)) await store.remove(file);
  await rm(paths.settings, { force: true });
}

const settingsParts = ["text", "seed", "model", "parameters", "training"];
const resultParts = ["heldOut", "windows", "sample", "fileBytes", "compressed", "curve"];

async function parse<T extends { version: 2 }>(path: string, parts: readonly string[]): Promise<T> {
  const json = await readJson(path);
  if (fits(json, parts)) return json as T;
  throw new FormatError(
    `corenet: ${path} is not of a run of this version, expected version 2 and ${parts.join(", ")}. ` +
      "Start anew with --fresh, or name another folder with --out.",
    { file: path },
  );
}

function fits(json: unknown, parts: readonly string[]): boolean {
  if (typeof json !== "object" || json === null || !("version" in json)) return false;
  return json.version === 2 && parts.every((part) => part in json);
}
