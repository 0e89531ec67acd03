import { afterEach, expect, test, vi } from "vitest";
import type { BlockSearch } from "../codec/block-search.ts";
import { emptyBlockCodes } from "../codec/block-search.ts";
import { estimateEncodeTime } from "./estimate-encode-time.ts";

afterEach(() => vi.restoreAllMocks());

let clock = 0;

/** A search that takes a millisecond of `clock` for 16 blocks. */
const steady: BlockSearch = {
  batchBlocks: 512,
  async search({ blocks }, { config }) {
    const n = blocks.length / config.C;
    clock += n / 16;
    return emptyBlockCodes(n, config);
  },
};

test("times the search, and multiplies", async () => {
  vi.spyOn(performance, "now").mockImplementation(() => clock);
  const { weightsPerSecond, ms } = await estimateEncodeTime(1e6, { search: steady, budgetMs: 20 });
  expect(weightsPerSecond).toBeCloseTo(128_000, 6); // 16 blocks of 8 a millisecond
  expect(ms).toBeCloseTo(1e9 / 128_000, 6);
});

test("the search that would be taken is timed", async () => {
  const { weightsPerSecond, ms } = await estimateEncodeTime(2e6, { budgetMs: 50 });
  expect(weightsPerSecond).toBeGreaterThan(0);
  expect((ms / 1000) * weightsPerSecond).toBeCloseTo(2e6, 3);
});

test("says what is no count", async () => {
  await expect(estimateEncodeTime(Number.NaN)).rejects.toThrow("weights is NaN, expected a number >= 0");
});
