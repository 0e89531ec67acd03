import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openCheckpoint } from "@corenet/formats";
import {
  type CompressReport,
  decodeTensor,
  readImportance,
  readLfsrTensor,
  writeImportance,
} from "@corenet/lfsr-seed";
import {
  createOpenElm,
  loadOpenElm,
  openElmConfig,
  Rng,
  readData,
  saveOpenElm,
  type Tensor,
  useBackend,
  wasm,
} from "corenet";
import { afterAll, beforeAll, expect, test } from "vitest";
import { findingsText } from "../src/commands/doctor.ts";

const program = join(import.meta.dirname, "../src/cli.ts");
let folder: string;
let model: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "corenet-models-"));
  model = join(folder, "model");
  await useBackend(wasm());
  const config = openElmConfig({
    ...{ vocabSize: 256, contextLength: 64, numLayers: 2, modelDim: 32, headDim: 8, groupSize: 2 },
    ...{ qkvMultipliers: [0.5, 1], ffnMultipliers: [0.5, 2], ffnDivisor: 8 },
  });
  using random = await createOpenElm(config, { rng: new Rng(1) });
  await saveOpenElm(random, model);
  const questions = [
    { context: "One and one is", choices: ["two", "three"], answer: 0 },
    { context: "Two and one is", choices: ["two", "three"], answer: 1 },
    { context: "Two and two is", choices: ["four", "five"], answer: 0 },
  ];
  writeFileSync(
    join(folder, "task.jsonl"),
    questions.map((question) => `${JSON.stringify(question)}\n`).join(""),
  );
  writeFileSync(
    join(folder, "text.txt"),
    "Some words to be predicted, byte by byte, in windows of the context. ".repeat(3),
  );
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** Runs the command with `input` on its standard input. */
function corenet(
  args: readonly string[],
  input = "",
): Promise<{ code: number; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, ["--conditions=@corenet/source", program, ...args], { cwd: folder });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (data) => {
    stdout += data;
  });
  child.stderr.on("data", (data) => {
    stderr += data;
  });
  child.stdin.end(input);
  return new Promise((resolve) => {
    child.on("close", (code) => resolve({ code: code ?? -1, stdout, stderr }));
  });
}

test("info shows the layers of a checkpoint", async () => {
  const { code, stdout } = await corenet(["info", model]);
  expect(code).toBe(0);
  expect(stdout).toContain("OpenELM, 2 layers, width 32, heads of 8");
  expect(stdout.split("\n").filter((line) => /^ +\d+ +\d+ +\d+ +\d+ +█+$/.test(line))).toHaveLength(2);
  const json = JSON.parse((await corenet(["info", "--model", model, "--json"])).stdout);
  expect(json).toMatchObject({ missing: [], extra: [], config: { vocabSize: 256 } });
});

test("score gives a text's perplexity", async () => {
  const { code, stdout } = await corenet(["score", "--model", model, "--text", "text.txt", "--json"]);
  expect(code).toBe(0);
  const score = JSON.parse(stdout);
  expect(score.tokens).toBe(readFileSync(join(folder, "text.txt")).length - 1);
  expect(score.bitsPerByte).toBeGreaterThan(7); // random weights know nothing
  expect(score.bitsPerByte).toBeLessThan(9);
  const strided = await corenet(["score", "--model", model, "--text", "text.txt", "--stride", "16"]);
  expect(strided.stdout).toMatch(/bits per byte +[\d.]+\n/);
});

test("score answers multiple choice, and goes on where it was stopped", async () => {
  const args = ["score", "--model", model, "--task", "task.jsonl"];
  const { code, stdout } = await corenet(args);
  expect(code).toBe(0);
  expect(stdout).toMatch(/questions +3\nacc +[\d.]+ ± [\d.]+ +\(95 %: [\d.]+ to [\d.]+\)\nacc_norm/);
  const results = join(folder, "results.jsonl");
  await corenet([...args, "--resume", results]);
  const lines = readFileSync(results, "utf8").trim().split("\n");
  expect(lines).toHaveLength(3);
  writeFileSync(results, `${JSON.stringify({ ...JSON.parse(lines[0] as string), correct: true })}\n`);
  const whole = JSON.parse((await corenet([...args, "--resume", results, "--json"])).stdout);
  expect(readFileSync(results, "utf8").trim().split("\n")).toHaveLength(3);
  const right = lines.slice(1).filter((line) => JSON.parse(line).correct).length + 1; // the first was believed
  expect(whole.accuracy.value).toBeCloseTo(right / 3);

  const question = { context: "a", choices: ["b", "c"], answer: 0 };
  writeFileSync(join(folder, "one.jsonl"), JSON.stringify(question));
  expect((await corenet(["score", model, "--task", "one.jsonl"])).stdout).toMatch(/acc +[\d.]+ +\(95 %/);
});

test("chat answers each line until an empty one", async () => {
  const { code, stdout } = await corenet(
    ["chat", "--model", model, "--max-new-tokens", "5"],
    "Hi\nAgain\n\nnever\n",
  );
  expect(code).toBe(0);
  expect(stdout.split("> ")).toHaveLength(4);
  const same = await corenet(["chat", "--model", model, "--max-new-tokens", "5"], "Hi\nAgain\n\n");
  expect(same.stdout).toBe(stdout);
});

test("finetune trains adapters, goes on where it was, and generate uses them", async () => {
  const lines = Array.from({ length: 8 }, (_, i) => ({ prompt: `Say ${i}: `, completion: "aaaaaaaa" }));
  writeFileSync(join(folder, "data.jsonl"), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  const args = [
    "finetune",
    "--model",
    model,
    "--data",
    "data.jsonl",
    "--rank",
    "4",
    "--learning-rate",
    "0.02",
  ];
  const { code, stdout, stderr } = await corenet([
    ...args,
    "--steps",
    "40",
    "--out",
    "adapter",
    "--merge",
    "--json",
  ]);
  expect(stderr).toContain("step 40 of 40");
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ out: "adapter", steps: 40, dropped: 0, model: "adapter/model" });
  expect(JSON.parse(stdout).loss).toBeLessThan(2);
  const say = ["generate", "--prompt", "Say 3: ", "--max-new-tokens", "6", "--temperature", "0", "--json"];
  const text = async (...more: string[]) => JSON.parse((await corenet([...say, ...more])).stdout).text;
  expect(await text("--model", model, "--adapter", "adapter")).toBe("aaaaaa");
  expect(await text("--model", "adapter/model")).toBe("aaaaaa");
  expect(await text("--model", model)).not.toBe("aaaaaa");
  const again = await corenet([...args, "--steps", "40", "--out", "adapter", "--json"]);
  expect(again.stderr).not.toContain("step 1 of 40"); // nothing is done twice
});

test("finetune trains the weights, packed, with a teacher, some frozen", async () => {
  const lines = Array.from({ length: 8 }, (_, i) => ({ prompt: `Say ${i}: `, completion: "aaaa" }));
  writeFileSync(join(folder, "short.jsonl"), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  const args = [
    "finetune",
    "--model",
    model,
    "--data",
    "short.jsonl",
    "--full",
    "--steps",
    "3",
    "--batch",
    "1",
  ];
  const taught = ["--pack", "--teacher", model, "--alpha", "0.3", "--temperature", "1", "--teacher-top", "4"];
  const frozen = ["--freeze", "embeddings,layers.0", "--learning-rate", "0.01", "--json"];
  const { code, stdout, stderr } = await corenet([...args, ...taught, ...frozen]);
  expect(stderr).toMatch(/\d\d\.\d % of packed rows are examples/);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ out: "tuned", steps: 3, dropped: 0, model: "tuned/model" });
  expect(JSON.parse(stdout).fillRate).toBeGreaterThan(0.6);
  const weights = async (of: string) => {
    using loaded = await loadOpenElm(of, { storage: "f32" });
    const { token_embeddings, layers } = loaded.params;
    const read = (leaf: unknown) => readData(leaf as Tensor);
    return Promise.all([token_embeddings.weight, ...layers.map(({ ffn }) => ffn.proj_1.weight)].map(read));
  };
  const [before, after] = await Promise.all([weights(model), weights(join(folder, "tuned/model"))]);
  expect(after.map((values, i) => values.every((value, at) => value === before[i]?.[at]))).toEqual([
    true,
    true,
    false,
  ]);

  const refused = async (...more: string[]) => {
    const { code, stderr } = await corenet([...args, ...more]);
    expect(code).toBe(2);
    return stderr;
  };
  expect(await refused("--alpha", "0.5")).toContain("--alpha is for distillation, expected a teacher");
  expect(await refused("--rank", "4")).toContain("--rank is for adapters, and --full trains none");
  expect(await refused("--teacher", model, "--alpha", "2")).toContain(
    "--alpha is 2, expected a number above 0, at most 1",
  );
});

test("quantize and export write what loads again", async () => {
  const small = await corenet(["quantize", "--model", model, "--format", "int4", "--out", "small"]);
  expect(small.stdout).toMatch(/^small: [\d.]+ kB, [\d.]+ bits a weight/);
  const bits = (name: string) => corenet(["score", "--model", name, "--text", "text.txt", "--json"]);
  const [whole, quantized] = await Promise.all([bits(model), bits("small")]);
  const [a, b] = [whole, quantized].map(({ stdout }) => JSON.parse(stdout).bitsPerByte as number);
  expect(Math.abs((a as number) - (b as number))).toBeLessThan(0.2);
  expect(a).not.toBe(b);
  const info = JSON.parse((await corenet(["info", "--model", "small", "--json"])).stdout);
  expect(info).toMatchObject({ missing: [], extra: [] });

  const half = await corenet([
    "export",
    "--model",
    model,
    "--to",
    "safetensors",
    "--dtype",
    "bf16",
    "--out",
    "half",
  ]);
  expect(half.code).toBe(0);
  expect(JSON.parse((await corenet(["info", "--model", "half", "--json"])).stdout).dtypes).toHaveProperty(
    "BF16",
  );
  const gguf = await corenet(["export", "--model", model, "--out", "model.gguf"]);
  expect(gguf.stderr).toContain("has no tokenizer.model and no tokenizer.json, and llama.cpp needs");
});

test("chat and export answer in JSON alone", async () => {
  const chat = await corenet(["chat", "--model", model, "--max-new-tokens", "5", "--json"], "Hi\nAgain\n\n");
  const turns = chat.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(turns).toMatchObject([{ role: "assistant" }, { role: "assistant" }]);
  const out = await corenet(["export", "--model", model, "--to", "safetensors", "--out", "json", "--json"]);
  const bytes = readFileSync(join(folder, "json/model.safetensors")).length;
  expect(JSON.parse(out.stdout)).toEqual({ out: "json", format: "safetensors", dtype: "f16", bytes });
});

test("info takes a file of weights, too", async () => {
  const { code, stdout } = await corenet(["info", "--model", `${model}/model.safetensors`]);
  expect(code).toBe(0);
  expect(stdout).toMatch(/parameters +[\d,]+\n +tensors +18 F32/);
});

test("findings and layers fit a narrow terminal", () => {
  const note = "a long note that goes on and on, past the end of any narrow line";
  const findings = [
    { name: "SIMD", value: true, note: "short" },
    { name: "WebGPU", value: false, note },
  ];
  for (const columns of [40, 60, 200]) {
    for (const line of findingsText(findings, columns).split("\n")) expect(line.length).toBeLessThan(columns);
  }
  expect(findingsText(findings)).toBe(`SIMD    true   short\nWebGPU  false  ${note}\n`);
});

test("doctor looks at the machine", async () => {
  const { code, stdout } = await corenet(["doctor", "--json"]);
  expect(code).toBe(0);
  const findings = JSON.parse(stdout) as { name: string; value: unknown }[];
  const value = (name: string) => findings.find((finding) => finding.name === name)?.value;
  expect(value("Node")).toBe(process.versions.node);
  expect(value("SIMD")).toBe(true);
  expect(Number.parseFloat(String(value("f32 product")))).toBeGreaterThan(0);
});

test.each([
  [["score", "--model", "m"], 2, "got --text and --task both or neither"],
  [["score", "--text", "text.txt"], 2, "--model is missing"],
  [["score", "--model", "MODEL", "--task", "text.txt"], 1, "line 1 of text.txt is not JSON"],
  [
    ["info", "--model", "nothing"],
    1,
    'cannot read the folder nothing: ENOENT. Check the path; a model on the hub is "hf:owner/name"',
  ],
  [["chat", "--model", "hf:nothing"], 1, 'repository is "nothing", expected "owner/name"'],
  [["generate", "--model", "MODEL", "--prompt", "a", "--tokenizer", "none.json"], 1, "none.json: ENOENT"],
])("%j fails in one sentence", async (args, code, message) => {
  const run = await corenet(args.map((arg) => (arg === "MODEL" ? model : arg)));
  expect(run.stderr).toContain(message);
  expect(run.stderr).not.toContain("    at ");
  if (code === 2) expect(run.stderr).toContain(`See corenet ${args[0]} --help`);
  expect(run.code).toBe(code);
});

test("compress: by what its inputs say on a text, columns that matter lose less", {
  timeout: 60_000,
}, async () => {
  const compress = (out: string, ...more: string[]) =>
    corenet(["compress", model, `--out=${out}`, "--bits=3", "--workers=0", "--json", ...more]);
  const plain = await compress("plain");
  const calibrated = await compress("weighted", "--calibrate=text.txt", "--importance=kept.safetensors");
  expect([plain.code, calibrated.code], calibrated.stderr).toEqual([0, 0]);
  expect(calibrated.stderr).toContain("weighted dB");
  const report = JSON.parse(calibrated.stdout) as CompressReport;
  expect(report.tensors.every(({ isWeighted }) => isWeighted)).toBe(true);

  const importance = await readImportance(join(folder, "kept.safetensors"));
  const weights = await openCheckpoint(model);
  const codes = await openCheckpoint(join(folder, "plain"));
  for (const { name, stats } of report.tensors) {
    const [h, w] = [importance.get(name) as Float32Array, (await weights.read(name)) as Float32Array];
    const decoded = decodeTensor(await readLfsrTensor(codes, name));
    let error = 0;
    for (let i = 0; i < w.length; i++)
      error += (h[i % h.length] as number) * ((w[i] as number) - (decoded[i] as number)) ** 2;
    expect(stats.weightedError, name).toBeLessThan(error);
  }
  await Promise.all([weights.close(), codes.close()]);

  const again = await compress("again", "--importance=kept.safetensors"); // from the file: the same
  expect(again.code, again.stderr).toBe(0);
  const bytes = (out: string) => readFileSync(join(folder, out, "model.safetensors"));
  expect(bytes("again").equals(bytes("weighted"))).toBe(true);
  expect(bytes("again").equals(bytes("plain"))).toBe(false);
});

test("compress says which importance belongs to no tensor, and which does not fit; nothing is made", async () => {
  await writeImportance(join(folder, "strange.safetensors"), new Map([["layers.9.x", new Float32Array(4)]]));
  const name = "transformer.layers.0.attn.qkv_proj.weight";
  await writeImportance(join(folder, "short.safetensors"), new Map([[name, new Float32Array(4)]]));
  const strange = await corenet(["compress", model, "--out=never", "--importance=strange.safetensors"]);
  expect(strange.code).not.toBe(0);
  expect(strange.stderr).toContain("holds an importance of layers.9.x, expected names of tensors of");
  const short = await corenet(["compress", model, "--out=never", "--importance=short.safetensors"]);
  expect(short.code).not.toBe(0);
  expect(short.stderr).toContain(`the importance of ${name} has 4 numbers, expected`);
  expect(readdirSync(folder).filter((entry) => entry.startsWith("never"))).toEqual([]);
});
