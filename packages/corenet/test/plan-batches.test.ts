import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

const program = join(import.meta.dirname, "../src/cli.ts");
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "corenet-plan-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function plan(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const node = ["--conditions=@corenet/source", program, "plan-batches", ...args];
  return new Promise((resolve) => {
    const child = execFile(process.execPath, node, { cwd: folder }, (_error, stdout, stderr) =>
      resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    );
  });
}

test("saves what the method's sheet says, to four decimals", async () => {
  const saving = async (...args: string[]) =>
    JSON.parse((await plan("--json", "--cost=pixels", "--samples=50000", ...args)).stdout).saving.toFixed(4);
  expect(await saving()).toBe("0.3290"); // the default curriculum
  expect(await saving("--sampler=variable")).toBe("0.2345");
  expect(await saving("--sampler=fixed")).toBe("0.0000");
});

test("prints the table and draws the epoch", async () => {
  const { code, stdout } = await plan(
    "--sampler=variable",
    "--samples=20000",
    "--epochs=2",
    "--svg=plan.svg",
  );
  expect(code).toBe(0);
  expect(stdout).toContain("MSc-VBS: 20000 images, epochs: 2; one scale: 128 of 224 x 224");
  expect(stdout).toMatch(/320 x 320 +62 +7\.4 % +0\.99/);
  expect(stdout).toMatch(/FLOPs .* 23\.\d %/);
  const svg = readFileSync(join(folder, "plan.svg"), "utf8");
  expect(svg).toContain("<title>MSc-VBS: 20000 images");
  expect(svg).toContain("epoch 0</text>");
  expect(svg).not.toContain("epoch 1</text>");
});

test("plans text by its tokens, and draws a whole curriculum", async () => {
  const { stdout } = await plan("--data=text", "--samples=2e8", "--svg=text.svg", "--json");
  const { title, updatesRatio, epochs } = JSON.parse(stdout);
  expect(title).toContain("200000000 tokens");
  expect(updatesRatio).toBe(1); // as many tokens in every batch
  expect(epochs.at(-1).scales.map((s: { scale: { length: number } }) => s.scale.length)).toEqual([
    256, 512, 1024, 2048,
  ]);
  expect(readFileSync(join(folder, "text.svg"), "utf8")).toContain("2048 tokens");
});

test.each([
  [["--min=400"], "min height is 400 and max height is 160, expected min <= max. Swap them"],
  [["--divisor=256"], "divisor is 256, expected at most the min height, 128"],
  [["--batch=0"], "baseBatch is 0, expected a whole number of at least 1. Pass how many images fit"],
  [["--sampler=best"], '--sampler is "best", expected curriculum, variable, fixed-batch, fixed'],
  [["--data=text", "--sampler=fixed-batch"], "expected fixed, variable or curriculum with --data=text"],
  [["--data=text", "--patch=8"], "--patch has no part in this plan"],
  [["--cost=vit", "--dim=0"], "vitCost: modelDim is 0"],
  [["--epoch=300"], "--epoch is 300 of 300, expected less. Count from 0."],
])("says how to mend %j", async (args, message) => {
  const { code, stdout, stderr } = await plan(...args);
  expect(stderr).toContain(message);
  expect([code, stdout]).toEqual([2, ""]);
});
