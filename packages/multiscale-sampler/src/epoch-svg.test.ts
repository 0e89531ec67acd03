import { Rng } from "@corenet/core";
import { expect, test } from "vitest";
import { epochSvg } from "./epoch-svg.ts";
import { variableBatchScales } from "./image-scales.ts";
import { createSampler } from "./sampler.ts";

const sampler = createSampler({
  samples: 50_000,
  scales: variableBatchScales({ baseSize: 224, baseBatch: 128, minSize: 128 }),
  random: new Rng(0),
});

test("draws a row for each scale, dearest first, with its batch", () => {
  const svg = epochSvg(sampler.epoch(0));
  const texts = [...svg.matchAll(/<text[^>]*>([^<]*)</g)].map(([, text]) => text);
  expect(texts.slice(3, -1)).toEqual([
    `${sampler.epoch(0).length} steps`,
    "320 x 320",
    "62",
    "288 x 288",
    "77",
    "224 x 224",
    "128",
    "192 x 192",
    "174",
    "128 x 128",
    "392",
  ]);
  expect(texts.at(-1)).toBe("epoch 0");
  expect(svg).toContain("prefers-color-scheme: dark");
});

test("marks one cell for each step while there are few", () => {
  const steps = [16, 32, 16, 48].map((length) => ({ length, epoch: 0, batchSize: 2 }));
  const svg = epochSvg(steps, { title: "a < b" });
  expect(svg.match(/M[\d.]+ \d+h[\d.]+v/g)).toHaveLength(4);
  expect(svg).toContain("<title>a &#60; b</title>");
  expect(svg).toContain("48 tokens");
});

test("is the darker, the more of a column's steps have the scale", () => {
  const steps = Array.from({ length: 960 }, (_, i) => ({
    length: i % 4 === 0 ? 32 : 16,
    epoch: 0,
    batchSize: 2,
  }));
  const opacities = [...epochSvg(steps).matchAll(/opacity="([\d.]+)"/g)].map(([, value]) => Number(value));
  expect(opacities).toEqual([0.37, 0.82]); // a quarter and three quarters, of all columns alike
});

test("stays small, and marks the epochs, however many steps there are", () => {
  const steps = Array.from({ length: 30 }, (_, epoch) => [...sampler.epoch(epoch)]).flat();
  const svg = epochSvg(steps);
  expect(steps.length).toBeGreaterThan(8000);
  expect(svg.length).toBeLessThan(60_000);
  const labels = [...svg.matchAll(/x="([\d.]+)"[^>]*>epoch (\d+)</g)].map(([, x, epoch]) => [
    Number(x),
    Number(epoch),
  ]);
  expect(labels.map(([, epoch]) => epoch)).toEqual([0, 4, 8, 12, 16, 20, 24]);
  expect(labels.every(([x], i) => i === 0 || Number(x) - Number(labels[i - 1]?.[0]) > 60)).toBe(true);
});

test("says how to mend an empty picture", () => {
  expect(() => epochSvg([])).toThrow("epochSvg: got no steps. Pass the batches of an epoch.");
});
