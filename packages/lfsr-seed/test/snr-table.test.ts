import { createSearch, encodeTensor } from "@corenet/lfsr-seed";
import { afterAll, expect, test } from "vitest";
import { specGaussian } from "./spec-data.ts";

const search = await createSearch({ workers: 2 });
afterAll(() => search.dispose());

// Section 7.2 of the specification: 32768 and 24576 weights of one generator, the paper's window.
test.each([
  [4, "paper-literal", 14.425],
  [4, "fit", 18.316],
  [4, "best", 18.552],
  [3, "paper-literal", 10.3],
  [3, "fit", 13.009],
  [3, "best", 13.207],
] as const)("%d bits by rule %s: %d dB", async (bits, exponentRule, want) => {
  const w = specGaussian(12345, bits === 4 ? 32768 : 24576);
  const { stats } = await encodeTensor(w, [w.length], { bits, exponentRule, expBias: "paper", search });
  expect(Math.abs(stats.snrDb - want)).toBeLessThan(0.001);
});
