import { Rng } from "@corenet/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { flipImage } from "./flip-image.ts";
import { randomCropBox, randomResizedCrop } from "./random-resized-crop.ts";
import type { RgbImage } from "./rgb-image.ts";

const image: RgbImage = {
  data: Uint8Array.from({ length: 20 * 30 * 3 }, (_, i) => i & 255),
  height: 20,
  width: 30,
};

test("stays inside the image, whatever its shape", () => {
  const side = fc.integer({ min: 1, max: 500 });
  fc.assert(
    fc.property(side, side, fc.integer(), (height, width, seed) => {
      const box = randomCropBox({ height, width }, new Rng(seed));
      expect(box.height).toBeGreaterThanOrEqual(1);
      expect(box.width).toBeGreaterThanOrEqual(1);
      expect(Math.min(box.top, box.left)).toBeGreaterThanOrEqual(0);
      expect(box.top + box.height).toBeLessThanOrEqual(height);
      expect(box.left + box.width).toBeLessThanOrEqual(width);
    }),
  );
});

test("draws area and ratio as torchvision does", () => {
  // In a 1000 x 1000 image nearly everything below half of the area fits, so both are uniform there.
  const rng = new Rng(1);
  const boxes = Array.from({ length: 4000 }, () =>
    randomCropBox({ height: 1000, width: 1000 }, rng, { scale: [0.1, 0.5] }),
  );
  const areas = boxes.map(({ height, width }) => (height * width) / 1e6);
  const ratios = boxes.map(({ height, width }) => Math.log(width / height));
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  expect(mean(areas)).toBeCloseTo(0.3, 1.7);
  expect(mean(areas.map((area) => (area - 0.3) ** 2))).toBeCloseTo(0.4 ** 2 / 12, 3);
  expect(Math.abs(mean(ratios))).toBeLessThan(0.01);
  expect(mean(ratios.map((ratio) => ratio ** 2))).toBeCloseTo((2 * Math.log(4 / 3)) ** 2 / 12, 2);
  expect(Math.min(...ratios)).toBeGreaterThan(Math.log(3 / 4) - 0.01);
  expect(Math.max(...ratios)).toBeLessThan(Math.log(4 / 3) + 0.01);
  expect(boxes.some(({ top }) => top === 0)).toBe(true);
  expect(Math.abs(mean(boxes.map(({ left, width }) => left / (1000 - width))) - 0.5)).toBeLessThan(0.02);
});

test("takes the middle where no crop fits", () => {
  const rng = new Rng(0);
  // 1 x 100: the ratio is cut to 4/3, so the width to round(1 * 4/3)
  expect(randomCropBox({ height: 1, width: 100 }, rng, { scale: [1, 1] })).toEqual({
    top: 0,
    left: 49,
    height: 1,
    width: 1,
  });
  expect(randomCropBox({ height: 100, width: 40 }, rng, { scale: [1, 1] })).toEqual({
    top: 23,
    left: 0,
    height: 53, // round(40 / (3/4))
    width: 40,
  });
});

test("is the same for the same seed, and has the size asked for", () => {
  const crop = () => randomResizedCrop(image, { height: 8, width: 6, rng: new Rng("seed") });
  expect(crop()).toEqual(crop());
  expect(crop().data.length).toBe(8 * 6 * 3);
  expect(crop()).not.toEqual(randomResizedCrop(image, { height: 8, width: 6, rng: new Rng("other") }));
});

test("says what is wrong with its arguments", () => {
  const size = { height: 2, width: 2, rng: new Rng(0) };
  expect(() => randomResizedCrop(image, { ...size, scale: [0.5, 0.1] })).toThrow(
    "scale is [0.5, 0.1], expected",
  );
  expect(() => randomResizedCrop(image, { ...size, ratio: [0, 1] })).toThrow("ratio is [0, 1], expected");
  expect(() => randomResizedCrop(image, { ...size, width: 0 })).toThrow(RangeError);
});

test("flipping exchanges left and right, and twice nothing", () => {
  const pair = { data: Uint8Array.of(1, 2, 3, 4, 5, 6), height: 1, width: 2 };
  expect([...flipImage(pair).data]).toEqual([4, 5, 6, 1, 2, 3]);
  expect(flipImage(flipImage(image))).toEqual(image);
});
