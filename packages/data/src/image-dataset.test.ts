import { FormatError, Rng } from "@corenet/core";
import sharp from "sharp";
import { expect, test } from "vitest";
import { imageDataset } from "./image-dataset.ts";
import { imageFiles } from "./image-files.ts";
import type { ImageFolder } from "./image-samples.ts";
import { resizeImage } from "./resize-image.ts";

const pixels = (seed: number) => Uint8Array.from({ length: 12 * 10 * 3 }, (_, i) => (i * seed) & 255);
const png = async (seed: number) => {
  const file = sharp(pixels(seed), { raw: { width: 12, height: 10, channels: 3 } }).png();
  return new Blob([new Uint8Array(await file.toBuffer())]);
};
const names = ["a/0.png", "a/1.png", "b/0.png", "b/1.png"];
const blobs = await Promise.all(names.map(async (name, i) => ({ name, blob: await png(i + 3) })));
const broken = { name: "b/broken.png", blob: blobs[0]?.blob.slice(0, 60) as Blob };

/** The folder, and which samples were read. */
async function watchedFolder(): Promise<{ folder: ImageFolder; reads: number[] }> {
  const inner = await imageFiles([...blobs, broken]);
  const reads: number[] = [];
  const folder: ImageFolder = {
    ...inner,
    read(index, options) {
      reads.push(index);
      return inner.read(index, options);
    },
  };
  return { folder, reads };
}

test("gives image and label at the size asked for", async () => {
  const { folder } = await watchedFolder();
  const dataset = imageDataset(folder);
  expect(dataset.classes).toEqual(["a", "b"]);
  expect(dataset.length).toBe(5);
  const { image, label } = await dataset.get(2, { height: 4, width: 4 });
  const whole = { data: pixels(5), width: 12, height: 10 };
  expect(label).toBe(1);
  expect(image).toEqual(resizeImage(whole, { height: 4, width: 4, mode: "cover" }));
});

test("augments by the rng that it is given, and by nothing else", async () => {
  const { folder } = await watchedFolder();
  const dataset = imageDataset(folder);
  const get = (seed: number) => dataset.get(0, { height: 6, width: 8, rng: new Rng(seed) });
  expect(await get(1)).toEqual(await get(1));
  expect(await get(1)).not.toEqual(await get(2));
  expect((await get(3)).image).toMatchObject({ height: 6, width: 8 });
});

test("keeps decoded images up to its bytes, those used last", async () => {
  const { folder, reads } = await watchedFolder();
  const dataset = imageDataset(folder, { cache: 2 * 360 });
  const size = { height: 2, width: 2 };
  for (const index of [0, 1, 0, 2, 0, 1, 2]) await dataset.get(index, size);
  expect(reads).toEqual([0, 1, 2, 1, 2]); // 2 drove out 1, not 0; then 1 drove out 2, and 2 drove out 0

  const { folder: other, reads: all } = await watchedFolder();
  const uncached = imageDataset(other);
  for (const index of [0, 0]) await uncached.get(index, size);
  expect(all).toEqual([0, 0]);
});

test("uses the transform that it is given", async () => {
  const { folder } = await watchedFolder();
  const dataset = imageDataset(folder, {
    transform: async (image, { height, width, rng }) => {
      expect(rng).toBeUndefined();
      return resizeImage(image, { height, width, mode: "stretch" });
    },
  });
  const whole = { data: pixels(3), width: 12, height: 10 };
  const { image } = await dataset.get(0, { height: 3, width: 5 });
  expect(image).toEqual(resizeImage(whole, { height: 3, width: 5 }));
});

test("says which file is broken, and what is wrong with its arguments", async () => {
  const { folder } = await watchedFolder();
  const dataset = imageDataset(folder);
  const size = { height: 2, width: 2 };
  await expect(dataset.get(4, size)).rejects.toThrow(FormatError);
  await expect(dataset.get(4, size)).rejects.toThrow("b/broken.png is a PNG in which the end is missing");
  await expect(dataset.get(5, size)).rejects.toThrow(RangeError);
  await expect(dataset.get(0, { height: 0, width: 1 })).rejects.toThrow("height is 0");
  await expect(dataset.get(0, { ...size, signal: AbortSignal.abort("no") })).rejects.toBe("no");
  expect(() => imageDataset(folder, { cache: -1 })).toThrow("cache is -1");
  await expect(imageDataset(folder, { maxPixels: 100 }).get(0, size)).rejects.toThrow("at most 100");
});
