import { execFile, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { useBackend, wasm } from "corenet";
import { trainTextModel, writeReport } from "corenet/node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { tinyRun } from "./tiny-run.ts";

const program = join(import.meta.dirname, "../src/cli.ts");
let folder: string;
let run: string;
let text: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "corenet-cli-"));
  [run, text] = [join(folder, "run"), join(folder, "text.txt")];
  writeFileSync(text, readFileSync(program, "utf8").repeat(3));
  await useBackend(wasm());
  await writeReport(await trainTextModel({ ...tinyRun, text, out: run, steps: 3 }));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function corenet(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const node = [`--conditions=@corenet/source`, program, ...args];
  return new Promise((resolve) => {
    const child = execFile(process.execPath, node, { cwd: folder }, (_error, stdout, stderr) =>
      resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    );
  });
}

test("explains itself, without colours where there is no terminal", async () => {
  const help = await corenet("--help");
  expect(help.code).toBe(0);
  for (const name of ["train", "generate", "plan-batches"]) expect(help.stdout).toContain(name);
  const { stdout } = await corenet("train", "--help");
  for (const option of ["--text", "--out", "--minutes", "--fresh", "--seed", "--json"])
    expect(stdout).toContain(option);
  expect(stdout).not.toContain("\x1b");
  expect(stdout).toContain("USAGE corenet train [OPTIONS]");
  expect((await corenet("--version")).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});

test.each([
  [["train", "--text", "a", "--speed", "9"], "there is no option --speed, expected --text, --out"],
  [["train", "--minutes", "soon", "--text", "a"], '--minutes is "soon", expected a number'],
  [["train", "--minutes=-1", "--text", "a"], "--minutes is -1, expected a number above 0"],
  [["train", "--seed", "1.5", "--text", "a"], "--seed is 1.5, expected a whole number"],
  [["train", "--text"], "--text has no value, expected one"],
  [["train"], "--text is missing, expected a file or a folder"],
  [["generate", "--model", "m", "once", "upon"], 'got "once", expected options only'],
  [["generate", "m", "once"], 'got "once", expected options only'],
  [["generate", "--model", "m"], "--prompt is missing"],
  [["generate", "m"], "--prompt is missing"],
  [["compress", "--out", "small"], "--model is missing"],
  [["dance"], "Unknown command dance"],
  [[], "No command specified"],
])("refuses %j as wrong usage", async (args, message) => {
  const { code, stdout, stderr } = await corenet(...args);
  expect(stderr).toContain(message);
  expect(stderr).not.toContain("    at ");
  expect([code, stdout]).toEqual([2, ""]);
});

test.each([
  [["train", "--text", "none", "--out", "new"], /cannot read .*none: ENOENT/],
  [["train", "--text", "empty.txt", "--out", "new"], /empty\.txt has no text/],
  [["train", "--text", "short.txt", "--out", "new"], /the text has 5 bytes/],
  [["generate", "--model", "none", "--prompt", "a"], /cannot read the folder none: ENOENT/],
])("says in one sentence why %j fails", async (args, message) => {
  writeFileSync(join(folder, "empty.txt"), "");
  writeFileSync(join(folder, "short.txt"), "short");
  const { code, stderr } = await corenet(...args);
  expect(stderr).toMatch(message);
  expect(stderr.trim().split("\n")).toHaveLength(1);
  expect(code).toBe(1);
  expect(existsSync(join(folder, "new/run.json"))).toBe(false); // the next start is not bound to this one
});

test("shows the stack with --debug", async () => {
  const { stderr } = await corenet("train", "--text", "none", "--debug");
  expect(stderr).toContain("    at ");
});

test("says that a finished run is finished, at once and with what came out", async () => {
  const before = readFileSync(join(run, "model/model.safetensors"));
  const { code, stdout } = await corenet("train", "--out", run);
  expect(code).toBe(0);
  expect(stdout).toContain("This run is finished; --fresh starts anew.");
  expect(stdout).toMatch(/this model +\d+\.\d{3}\n +gzip -9 +\d\.\d{3}\n +brotli 11 +\d\.\d{3}/);
  expect(stdout).toContain("windows of 16, 32 bytes: ");
  expect(stdout).toContain("% fewer FLOPs than windows of 32 bytes throughout");
  expect(stdout).toContain(join(run, "report.html"));
  expect(readFileSync(join(run, "model/model.safetensors")).equals(before)).toBe(true);
});

test("refuses to go on with other settings than a run was started with", async () => {
  const { code, stderr } = await corenet("train", "--out", run, "--seed", "9");
  expect(stderr).toContain("was started with seed 7, and 9 is asked for now. Leave seed out to go on");
  expect(code).toBe(1);
});

test("generates text, the same for the same seed, as text or as JSON", async () => {
  const args = [
    "generate",
    "--model",
    join(run, "model"),
    "--prompt",
    "const",
    "--max-new-tokens",
    "12",
    "--seed",
    "3",
  ];
  const { code, stdout } = await corenet(...args);
  expect(code).toBe(0);
  const json = JSON.parse((await corenet(...args, "--json")).stdout);
  expect(json).toMatchObject({ prompt: "const", seed: 3, temperature: 0.8, maxNewTokens: 12 });
  expect(stdout).toBe(`const${json.text}\n`);
});

test("prints JSON alone on the output with --json", async () => {
  const { stdout } = await corenet("train", "--out", run, "--json");
  const result = JSON.parse(stdout);
  expect(result.heldOut.model).toBeGreaterThan(0);
  expect(result.settings.text.from).toBe(text);
});

test("stops at Ctrl-C with exit code 130 and says how to go on; the same command does", async () => {
  const out = join(folder, "stopped");
  const args = [
    "--conditions=@corenet/source",
    program,
    "train",
    "--text",
    text,
    "--out",
    out,
    "--steps",
    "6",
  ];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  let printed = "";
  child.stdout.on("data", (chunk: Buffer) => {
    printed += chunk;
    if (chunk.includes("step 0/6")) child.kill("SIGINT");
  });
  const code = await new Promise((resolve) => child.on("close", resolve));
  expect(code).toBe(130);
  expect(printed).toContain(`The same command goes on: corenet train --out=${out}`);
  expect(existsSync(join(out, "result.json"))).toBe(false);

  const again = await corenet("train", "--out", out);
  expect(again.code).toBe(0);
  expect(again.stdout).toContain("Goes on with the run that was started before.");
  expect(existsSync(join(out, "report.html"))).toBe(true);
});
