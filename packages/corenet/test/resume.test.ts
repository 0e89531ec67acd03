import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Rng } from "@corenet/core";
import { afterAll, beforeAll, expect, test } from "vitest";

const program = join(import.meta.dirname, "train-in-child.ts");
const steps = 150;
let folder: string;
let text: string;
let uninterrupted: Buffer;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "corenet-resume-"));
  text = join(folder, "text.txt");
  writeFileSync(text, readFileSync(program, "utf8").repeat(10));
  expect((await trainInChild("whole")).code).toBe(0);
  uninterrupted = modelOf("whole");
}, 180_000);
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const modelOf = (run: string) => readFileSync(join(folder, run, "model/model.safetensors"));

/**
 * Trains in a process of its own.
 *
 * @param kill - the signal it gets once it has trained so many steps further
 */
function trainInChild(
  run: string,
  kill?: { signal: "SIGKILL" | "SIGINT"; afterSteps: number },
): Promise<{ code: number | null; signal: string | null; first: number; last: number }> {
  const args = ["--conditions=@corenet/source", program, text, join(folder, run), String(steps)];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  let [first, last, killed] = [Number.NaN, Number.NaN, false];
  child.stdout.on("data", (chunk: Buffer) => {
    for (const line of chunk.toString().trim().split("\n")) {
      last = Number(line);
      if (Number.isNaN(first)) first = last;
    }
    if (!kill || killed || last - first < kill.afterSteps) return;
    killed = child.kill(kill.signal);
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code, signal, first, last }));
  });
}

test("killed again and again, by kill -9 and by Ctrl-C, it ends with the same model to the byte", async () => {
  const chance = new Rng(`resume ${Date.now()}`);
  let resumedFrom = 0;
  let kills = 0;
  for (;;) {
    const signal = kills % 2 === 0 ? "SIGKILL" : "SIGINT";
    const end = await trainInChild("broken", { signal, afterSteps: 15 + chance.integer(40) });
    expect(end.first).toBeGreaterThanOrEqual(resumedFrom);
    if (end.code === 0) break;
    if (signal === "SIGINT") expect(end.code).toBe(130);
    else expect(end.signal).toBe("SIGKILL");
    resumedFrom = end.first;
    kills += 1;
  }
  expect(kills).toBeGreaterThanOrEqual(2);
  expect(resumedFrom).toBeGreaterThan(0); // it did go on, and did not start over
  expect(modelOf("broken").equals(uninterrupted)).toBe(true);
});

test("another seed gives another model: the comparison above can fail", async () => {
  const { trainTextModel } = await import("corenet/node");
  const { useBackend, wasm } = await import("corenet");
  const { tinyRun } = await import("./tiny-run.ts");
  await useBackend(wasm());
  await trainTextModel({ ...tinyRun, text, out: join(folder, "other"), steps, seed: 8 });
  expect(modelOf("other").equals(uninterrupted)).toBe(false);
});
