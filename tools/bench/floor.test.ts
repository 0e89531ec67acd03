import { expect, test } from "vitest";
import { measureFloor } from "./floor.ts";

// Bounds that every machine of this century keeps: they catch a loop that was optimized away or never optimized.
test("finds a plausible floor", { timeout: 120_000 }, async () => {
  const { fmaGflops, mulAddGflops, readGBps } = await measureFloor();
  for (const gflops of [fmaGflops, mulAddGflops]) {
    expect(gflops).toBeGreaterThan(4);
    expect(gflops).toBeLessThan(400);
  }
  expect(readGBps).toBeGreaterThan(1);
  expect(readGBps).toBeLessThan(400);
});

test("stops when asked to", async () => {
  await expect(measureFloor({ signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
});
