import { expect, test } from "vitest";
import { tinyRun } from "../../test/tiny-run.ts";
import type { RunSettings } from "./settings.ts";
import { describeSaving, windowSaving } from "./window-saving.ts";

const settings: RunSettings = {
  ...{ version: 2, seed: 7, parameters: 0, calibration: null },
  text: { from: "a", files: 1, bytes: 1, sha256: "" },
  model: tinyRun.model,
  training: {
    ...{ steps: 100, embeddingScale: 1, weightDecay: 0, beta1: 0, beta2: 0, clip: 1, zLoss: 0 },
    ...tinyRun.training,
    sequences: { ...tinyRun.training.sequences, endMinLength: 32, shape: { milestones: [2] } }, // half 16, half 32
  },
};

test("saves what attention costs more in the longest windows, counted by hand", () => {
  // q, k, v and out 3 · 32 · 16 · H…, of two layers with 1 and 2 query heads on 1 key-value head, and the head's 256.
  const layers = [
    { H: 2, Hkv: 1, F: 32 },
    { H: 4, Hkv: 2, F: 64 },
  ];
  const perToken = layers.reduce(
    (sum, { H, Hkv, F }) => sum + 32 * 16 * (2 * H + 2 * Hkv) + 3 * 32 * F,
    32 * 256,
  );
  const perScore = layers.reduce((sum, { H }) => sum + 2 * H * 16, 0);
  const perByte = (T: number) => 6 * (perToken + ((T + 1) / 2) * perScore);
  const { flops, longestFlops, saving, longest, timeSaving } = windowSaving(settings);
  expect(longest).toBe(32);
  expect(longestFlops).toBeCloseTo(100 * 128 * perByte(32), 0);
  expect(flops).toBeCloseTo(50 * 128 * (perByte(16) + perByte(32)), 0);
  expect(saving).toBeCloseTo(1 - flops / longestFlops, 12);
  expect(timeSaving).toBeNull();
});

test("says it, with the time where it was measured", () => {
  const saving = windowSaving(settings);
  expect(describeSaving(saving)).toMatch(/^\d\.\d % fewer FLOPs than windows of 32 bytes throughout$/);
  const calibration = { minutes: 1, stepMs: 9, lengthMs: { "16": 8, "32": 10 } };
  const timed = windowSaving({ ...settings, calibration });
  expect(timed.timeSaving).toBeCloseTo(0.1, 12);
  expect(describeSaving(timed)).toContain("; 10.0 % less time, as measured before the training");
});
