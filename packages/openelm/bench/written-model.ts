import { execFile } from "node:child_process";
import { mkdir, stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const models = new URL("../../../out/bench/models/", import.meta.url);
const script = new URL("write-random-gguf.ts", import.meta.url);

/** The path of the random model as GGUF, which is written once: f32, f16, q8_0 and q4_0 take 2 GB in all. */
export async function writtenModel(dtype: string, signal: AbortSignal): Promise<string> {
  await mkdir(models, { recursive: true });
  const path = fileURLToPath(new URL(`openelm-270m-${dtype}.gguf`, models));
  const exists = await stat(path).catch(() => undefined);
  if (exists) return path;
  const args = [...process.execArgv, fileURLToPath(script), path, dtype];
  await promisify(execFile)(process.execPath, args, { signal });
  return path;
}
