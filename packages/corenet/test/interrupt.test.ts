// Ctrl-C in the middle of each command: what is left is whole, and the same command goes on.
import { spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createOpenElm, openElmConfig, Rng, saveOpenElm, useBackend, wasm } from "corenet";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const program = join(import.meta.dirname, "../src/cli.ts");
const tokenizer = join(import.meta.dirname, "../../../golden/tokenizers/sentencepiece.model"); // 700 pieces
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "corenet-interrupt-"));
  await useBackend(wasm());
  const widths = {
    headDim: 16,
    groupSize: 2,
    qkvMultipliers: [0.5, 1],
    ffnMultipliers: [0.5, 4],
    ffnDivisor: 16,
  } as const;
  const bytes = openElmConfig({ ...widths, vocabSize: 256, contextLength: 1024, numLayers: 2, modelDim: 64 });
  using small = await createOpenElm(bytes, { rng: new Rng(1) });
  await saveOpenElm(small, join(folder, "model"));
  const pieces = openElmConfig({ ...widths, vocabSize: 700, numLayers: 4, modelDim: 512 });
  using wide = await createOpenElm(pieces, { rng: new Rng(2) }); // seven million weights: some tenths of a second
  await saveOpenElm(wide, join(folder, "wide"));
  const questions = Array.from({ length: 120 }, (_, i) => ({
    ...{ context: `Question ${i} is ${"long ".repeat(40)}`, choices: ["one", "two", "three"], answer: i % 3 },
  }));
  writeFileSync(join(folder, "task.jsonl"), questions.map((one) => `${JSON.stringify(one)}\n`).join(""));
  writeFileSync(join(folder, "text.txt"), "Words that are predicted one by one. ".repeat(4000));
  const examples = Array.from({ length: 8 }, (_, i) => ({ prompt: `Say ${i}: `, completion: "abcabcabc" }));
  writeFileSync(join(folder, "data.jsonl"), examples.map((one) => `${JSON.stringify(one)}\n`).join(""));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** What a command has printed so far. */
interface Printed {
  out(): string;
  log(): string;
}

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly ms: number;
}

/**
 * Runs the command and presses Ctrl-C once.
 *
 * @param when - waits for the moment; without it, nothing is pressed
 */
async function corenet(
  args: readonly string[],
  when?: (printed: Printed) => Promise<unknown>,
  input?: string,
): Promise<Ended> {
  const start = performance.now();
  const child = spawn(process.execPath, ["--conditions=@corenet/source", program, ...args], { cwd: folder });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const closed = new Promise<number | null>((resolve) => child.on("close", resolve));
  if (input === undefined) child.stdin.end();
  else child.stdin.write(input);
  if (when) {
    await Promise.race([when({ out: () => stdout, log: () => stderr }), closed]);
    child.kill("SIGINT");
  }
  const code = await closed;
  expect(stderr).not.toContain("\x1b"); // no terminal, no colours
  if (!["generate", "chat"].includes(args[0] as string)) expect(stdout).not.toContain("\x1b"); // a model may say it
  return { code, stdout, stderr, ms: performance.now() - start };
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
/** Looks every few milliseconds. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5);
}
const linesOf = (name: string) => {
  const path = join(folder, name);
  return existsSync(path) ? readFileSync(path, "utf8").split("\n").slice(0, -1) : [];
};

/** Paths below a folder. */
const filesIn = (name: string) =>
  readdirSync(join(folder, name), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(join(folder, name).length + 1))
    .sort();

test("score keeps its answers, and ends as if it had never been stopped", async () => {
  const args = ["score", "--model", "model", "--task", "task.jsonl", "--json"];
  const whole = await corenet(args);
  const stopped = await corenet([...args, "--resume", "answers.jsonl"], () =>
    until(() => linesOf("answers.jsonl").length >= 3),
  );
  expect([stopped.code, stopped.stdout]).toEqual([130, ""]);
  expect(stopped.stderr).toContain("Stopped; answers are kept in answers.jsonl; the same command goes on.");
  const kept = linesOf("answers.jsonl");
  expect(kept.length).toBeGreaterThanOrEqual(3);
  expect(kept.length).toBeLessThan(120);
  for (const line of kept) JSON.parse(line);
  const again = await corenet([...args, "--resume", "answers.jsonl"]);
  expect(JSON.parse(again.stdout)).toEqual(JSON.parse(whole.stdout));
  expect(linesOf("answers.jsonl").slice(0, kept.length)).toEqual(kept); // nothing was asked twice
});

test("score of a text says how far it is, a line every five seconds, and prints nothing half", async () => {
  const args = ["score", "--model", "model", "--text", "text.txt", "--stride", "1"];
  const { code, stdout, stderr } = await corenet(args, ({ log }) => until(() => log().includes("\n")));
  expect([code, stdout]).toEqual([130, ""]);
  expect(stderr).toMatch(/^score {2}\d+ % {2}\d+ tokens of 147999 tokens {2}.* left\n$/);
}, 20_000);

test("generate ends its line, after a part of the text", async () => {
  const args = [
    "generate",
    "--model",
    "model",
    "--prompt",
    "Once",
    "--seed",
    "3",
    "--max-new-tokens",
    "1000",
  ];
  const whole = await corenet(args);
  const stopped = await corenet(args, ({ out }) => until(() => out().length > 40));
  expect(stopped.code).toBe(130);
  expect(stopped.stdout.endsWith("\n")).toBe(true);
  expect(stopped.stdout.length).toBeLessThan(whole.stdout.length);
  expect(whole.stdout.startsWith(stopped.stdout.slice(0, -1))).toBe(true);
});

test("chat ends in the middle of an answer, and while it waits for a question", async () => {
  const args = ["chat", "--model", "model", "--max-new-tokens", "900"];
  const answering = await corenet(args, ({ out }) => until(() => out().length > 40), "Hi\n");
  expect(answering.code).toBe(130);
  expect(answering.stdout.endsWith("\n")).toBe(true);
  const waiting = await corenet(args, ({ out }) => until(() => out() === "> "), "");
  expect([waiting.code, waiting.stdout]).toEqual([130, "> \n"]);
});

test("finetune goes on where it was, to the same adapters to the byte", async () => {
  const args = [
    "finetune",
    "--model",
    "model",
    "--data",
    "data.jsonl",
    "--rank",
    "4",
    "--steps",
    "60",
    "--out",
  ];
  const whole = await corenet([...args, "whole"]);
  expect(whole.code).toBe(0);
  const steps = (text: string) => [...text.matchAll(/^step (\d+) of 60/gm)].map(([, step]) => Number(step));
  const stopped = await corenet([...args, "broken"], ({ out }) => until(() => steps(out()).length >= 3));
  expect(stopped.code).toBe(130);
  expect(stopped.stdout).toContain("Stopped; the same command goes on where it was.");
  expect(existsSync(join(folder, "broken/adapter_model.safetensors"))).toBe(false);
  const again = await corenet([...args, "broken"]);
  expect(again.code).toBe(0);
  expect(steps(again.stdout)[0]).toBeGreaterThan(steps(stopped.stdout).at(-1) as number);
  const weights = (out: string) => readFileSync(join(folder, out, "adapter_model.safetensors"));
  expect(weights("broken").equals(weights("whole"))).toBe(true);
});

describe.each([
  ["quantize", ["quantize", "--model", "wide", "--format", "int4"], "out"],
  ["export to safetensors", ["export", "--model", "wide", "--to", "safetensors"], "out"],
  ["export to GGUF", ["export", "--model", "wide", "--tokenizer", tokenizer, "--dtype", "q8_0"], "out.gguf"],
])("%s", (name, args, file) => {
  test("stopped at any time, it leaves a whole file or none", async () => {
    const at = name.replaceAll(" ", "-");
    const out = (run: string | number) => join(`${at}-${run}`, file);
    const command = (run: string | number) => {
      mkdirSync(join(folder, `${at}-${run}`), { recursive: true });
      return [...args, "--out", out(run)];
    };
    const whole = await corenet(command("whole"));
    expect(whole.code).toBe(0);
    const chance = new Rng(`${name} ${Date.now()}`);
    let stops = 0;
    for (let run = 0; run < 4 || stops === 0; run++) {
      // Mostly in its last half: Node starts and the modules load before.
      const { code, stdout, stderr } = await corenet(command(run), () =>
        sleep(whole.ms * (0.4 + 0.6 * chance.uniform())),
      );
      const held = filesIn(`${at}-${run}`);
      expect(held.filter((path) => path.endsWith(".tmp"))).toEqual([]);
      for (const path of held) {
        const expected = readFileSync(join(folder, `${at}-whole`, path));
        expect(readFileSync(join(folder, `${at}-${run}`, path)).equals(expected), path).toBe(true);
      }
      if (code === 0) {
        expect(stdout).toContain(out(run));
        continue;
      }
      stops += 1;
      expect([code, stdout]).toEqual([stderr === "" ? null : 130, ""]); // null: before it could listen
    }
    const again = await corenet(command(0));
    expect(again.code).toBe(0);
    expect(filesIn(`${at}-0`)).toEqual(filesIn(`${at}-whole`));
  }, 120_000);
});
