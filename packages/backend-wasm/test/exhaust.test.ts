import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

test("a full heap throws OutOfMemoryError, hurts no other tensor, and works again when something is freed", async () => {
  const script = fileURLToPath(new URL("./exhaust.ts", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, ["--conditions=@corenet/source", script]);
  const report = JSON.parse(stdout);
  expect(report.heapBytes).toBeGreaterThan(3.5 * 2 ** 30);
  expect(report.failure).toMatchObject({ name: "OutOfMemoryError", requestedBytes: 2 ** 20 });
  expect(report.failure.message).toMatch(
    /^wasm: no room for 1048576 bytes in a heap of \d{4} MiB, of at most 4096\. Dispose/,
  );
  for (const way of ["byFill", "byAdd", "byMatMul", "byTensor", "scratch"]) {
    expect([way, report[way]?.name]).toEqual([way, "OutOfMemoryError"]);
  }
  expect(report.first).toEqual([1, 2, 3]);
  expect(report.between).toEqual([4, 5, 6]);
  expect(report.after).toEqual([7, 7]);
}, 20_000);
