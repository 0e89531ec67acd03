import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lfsrContainer } from "@corenet/lfsr-seed";
import { bitsPerByte, loadOpenElm, memory, splitText, useBackend, wasm } from "corenet";
import {
  type RunEvent,
  type TextRun,
  type TrainTextOptions,
  trainTextModel,
  writeReport,
} from "corenet/node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { tinyRun } from "./tiny-run.ts";

let folder: string;
let text: string;
let content: Buffer;
let run: TextRun;
const events: RunEvent[] = [];

const trainInto = (out: string, more: Partial<TrainTextOptions> = {}) =>
  trainTextModel({ ...tinyRun, text, steps: 30, out: join(folder, out), ...more });

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "corenet-run-"));
  text = join(folder, "text.txt");
  content = Buffer.from(readFileSync(import.meta.filename, "utf8").repeat(4));
  writeFileSync(text, content);
  await useBackend(wasm());
  run = await trainInto("run", { compressTo: [4, 3], onEvent: (event) => void events.push(event) });
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

test("run.json says everything that the result depends on", () => {
  const written = JSON.parse(readFileSync(run.paths.settings, "utf8"));
  expect(written).toEqual(run.settings);
  expect(written).toMatchObject({
    version: 2,
    text: {
      from: text,
      files: 1,
      bytes: content.length,
      sha256: createHash("sha256").update(content).digest("hex"),
    },
    seed: 7,
    model: tinyRun.model,
    training: { ...tinyRun.training, embeddingScale: 16, steps: 30, clip: 1, weightDecay: 0.1, zLoss: 1e-4 },
    calibration: null,
  });
});

test("the compressed models are smaller, packed, and were measured on the same text", async () => {
  const { compressed, fileBytes, heldOut } = run.result;
  expect(compressed.map(({ bits }) => bits)).toEqual([4, 3]);
  const [four, three] = compressed as [(typeof compressed)[number], (typeof compressed)[number]];
  expect(four.fileBytes).toBeLessThan(fileBytes);
  expect(three.fileBytes).toBeLessThan(four.fileBytes);
  expect(Math.abs(four.bitsPerByte - heldOut.model)).toBeLessThan(0.5);
  expect(four.bitsPerByte).not.toBe(three.bitsPerByte);
  expect(four.sample.prompt).toBe(run.result.sample.prompt);
  using model = await loadOpenElm(run.paths.compressed[4], { packed: [lfsrContainer()] });
  const { heldOut: blocks } = splitText(content, { window: 33 });
  expect(await bitsPerByte(model, blocks)).toBe(four.bitsPerByte);
});

test("the saved model is the one that was measured", async () => {
  using model = await loadOpenElm(run.paths.model);
  const { heldOut } = splitText(content, { window: 33 });
  expect(await bitsPerByte(model, heldOut)).toBe(run.result.heldOut.model);
  expect(run.result.heldOut.bytes).toBe(heldOut.reduce((sum, { length }) => sum + length, 0));
});

test("tells what happens, in order, and learns", () => {
  const types = events.map(({ type }) => type);
  expect(types.filter((type, i) => type !== types[i - 1])).toEqual([
    "text",
    "plan",
    "step",
    "evaluate",
    "prompt",
    "sample",
    ...["compress", "compressed", "prompt", "sample"],
    ...["compress", "compressed", "prompt", "sample"],
  ]);
  const { loss, heldOut, speed } = run.result.curve;
  expect(loss).toHaveLength(30);
  expect(heldOut.map(({ step }) => step)).toEqual([3, 6, 9, 12, 15, 18, 21, 24, 27, 30]);
  expect(speed).toHaveLength(30);
  expect(loss.at(-1)).toBeLessThan((loss[0] as number) - 1);
  expect(heldOut.at(-1)?.bitsPerByte).toBeLessThan((heldOut[0]?.bitsPerByte as number) - 0.5);
});

test("trained from scratch, a model soon knows more than how often each byte comes", async () => {
  const { result } = await trainInto("learned", { steps: 300 });
  const parts = splitText(content, { window: 33 });
  const counts = new Float64Array(256).fill(1);
  for (const piece of parts.training) for (const byte of piece) counts[byte] = (counts[byte] as number) + 1;
  const total = counts.reduce((sum, count) => sum + count, 0);
  let bits = 0;
  for (const piece of parts.heldOut)
    for (const byte of piece) bits -= Math.log2((counts[byte] as number) / total);
  const unigram = bits / result.heldOut.bytes;
  expect(unigram).toBeGreaterThan(4);
  expect(result.heldOut.model).toBeLessThan(unigram - 0.2);
});

test("a finished run is not touched again, and --fresh trains the same model anew", async () => {
  const model = readFileSync(join(run.paths.model, "model.safetensors"));
  const again = await trainInto("run");
  expect(again.wasFinished).toBe(true);
  expect(again.result).toEqual(JSON.parse(JSON.stringify(run.result)));
  const fresh = await trainInto("run", { fresh: true });
  expect(fresh.wasFinished).toBe(false);
  expect(readFileSync(join(run.paths.model, "model.safetensors")).equals(model)).toBe(true);
});

test("calibrates once: an aborted run goes on with the steps it had", async () => {
  const controller = new AbortController();
  const minutes = 0.02;
  const started = trainInto("calibrated", {
    ...{ minutes, steps: undefined, signal: controller.signal },
    onEvent: (event) => event.type === "step" && event.step >= 3 && controller.abort(new Error("enough")),
  });
  await expect(started).rejects.toThrow("enough");
  const settings = readFileSync(join(folder, "calibrated/run.json"), "utf8");
  expect(JSON.parse(settings).calibration).toMatchObject({ minutes, stepMs: expect.any(Number) });
  const resumed: RunEvent[] = [];
  await trainInto("calibrated", { steps: undefined, onEvent: (event) => void resumed.push(event) });
  expect(resumed.some(({ type }) => type === "calibrate")).toBe(false);
  expect(resumed.find(({ type }) => type === "step")).toMatchObject({ step: 3 });
  expect(readFileSync(join(folder, "calibrated/run.json"), "utf8")).toBe(settings);
});

test("refuses a text that has changed, and says what to do", async () => {
  const controller = new AbortController();
  const own = join(folder, "own.txt");
  writeFileSync(own, content);
  const options: Partial<TrainTextOptions> = { text: own, signal: controller.signal };
  const onEvent = (event: RunEvent) => event.type === "step" && event.step > 1 && controller.abort();
  await expect(trainInto("changed", { ...options, onEvent })).rejects.toThrow();
  writeFileSync(own, Buffer.concat([content, Buffer.from("more")]));
  await expect(trainInto("changed", { text: own })).rejects.toThrow(
    /was started on a text of SHA-256 [0-9a-f]{16}….*Restore the text to go on, start anew with --fresh/,
  );
  expect((await trainInto("changed", { text: own, fresh: true })).wasFinished).toBe(false);
});

test("refuses checkpoints without run.json, and a run.json of something else", async () => {
  const controller = new AbortController();
  const onEvent = (event: RunEvent) => event.type === "step" && controller.abort();
  await expect(trainInto("lost", { signal: controller.signal, onEvent })).rejects.toThrow();
  rmSync(join(folder, "lost/run.json"));
  await expect(trainInto("lost")).rejects.toThrow("1 checkpoints and no run.json");

  mkdirSync(join(folder, "other"));
  writeFileSync(join(folder, "other/run.json"), '{"version":1}');
  await expect(trainInto("other")).rejects.toThrow("is not of a run of this version");
});

test("--fresh removes the run and nothing else", async () => {
  const out = join(folder, "shared");
  await trainInto("shared", { steps: 2 });
  writeFileSync(join(out, "notes.txt"), "mine");
  writeFileSync(join(out, "checkpoints/notes.txt"), "mine");
  await trainInto("shared", { steps: 3, fresh: true });
  expect(existsSync(join(out, "notes.txt"))).toBe(true);
  expect(existsSync(join(out, "checkpoints/notes.txt"))).toBe(true);
  expect(existsSync(join(out, "checkpoints/checkpoint-00000002.safetensors"))).toBe(false);
});

test("refuses a folder that is a file", async () => {
  await expect(trainInto("text.txt")).rejects.toThrow(/text\.txt/);
});

test("leaks nothing", async () => {
  await trainInto("leaks", { steps: 2 });
  const before = memory();
  await trainInto("leaks", { steps: 3, fresh: true });
  expect(memory()).toEqual(before);
});

test("the report stands alone and shows everything", async () => {
  const page = readFileSync(await writeReport(run), "utf8");
  expect(page).not.toMatch(/<script|<link|<img|src=|@import|url\(/);
  expect(page.match(/https?:\/\/[^"<\s]+/g) ?? []).toEqual(
    (page.match(/https?:\/\/[^"<\s]+/g) ?? []).filter((url) => url.startsWith("http://www.w3.org/")),
  );
  expect(page).toContain("prefers-color-scheme: dark");
  for (const { model, gzip, brotli } of [run.result.heldOut]) {
    for (const bits of [model, gzip, brotli]) expect(page).toContain(bits.toFixed(3));
  }
  for (const title of [
    "Held-out text",
    "Loss",
    "Windows",
    "Sample",
    "Model",
    "Learning rate",
    "Speed",
    "Settings",
  ]) {
    expect(page).toContain(`<h2>${title}</h2>`);
  }
  expect(page).toContain("% fewer FLOPs than windows of 32 bytes throughout");
  expect(page.match(/<svg/g)?.length).toBe(12); // six figures, each wide and narrow
  expect(page).toContain(run.settings.text.sha256);
  expect(page).toContain("feed-forward 64");
});

test("the report escapes what a model says", async () => {
  const sample = { prompt: "<b>", text: '</pre><script>alert("x")</script>\0' };
  const page = readFileSync(await writeReport({ ...run, result: { ...run.result, sample } }), "utf8");
  expect(page).toContain(
    "<mark>&lt;b&gt;</mark>&lt;/pre&gt;&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;\uFFFD",
  );
});
