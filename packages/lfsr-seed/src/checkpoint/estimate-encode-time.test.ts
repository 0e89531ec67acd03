import { expect, test } from "vitest";
import type { BlockSearch } from "../codec/block-search.ts";
import { emptyBlockCodes } from "../codec/block-search.ts";
import { estimateEncodeTime } from "./estimate-encode-time.ts";

/** A search that takes a millisecond for 16 blocks, as far as timers go. */
const slow: BlockSearch = {
  batchBlocks: 512,
  async search({ blocks }, { config }) {
    const n = blocks.length / config.C;
    const until = performance.now() + n / 16;
    while (performance.now() < until);
    return emptyBlockCodes(n, config);
  },
};

test("times the search, and multiplies", async () => {
  const { weightsPerSecond, ms } = await estimateEncodeTime(1e6, { search: slow, budgetMs: 20 });
  expect(weightsPerSecond).toBeGreaterThan(16_000);
  expect(weightsPerSecond).toBeLessThan(128_500); // 16 blocks of 8 a millisecond
  expect(ms).toBeCloseTo(1e9 / weightsPerSecond, 6);
});

test("says what is no count", async () => {
  await expect(estimateEncodeTime(Number.NaN)).rejects.toThrow("weights is NaN, expected a number >= 0");
});
