import { ShapeError } from "@corenet/core";
import fc from "fast-check";
import sharp from "sharp";
import { expect, test } from "vitest";
import golden from "../test/golden/pillow-resize.json" with { type: "json" };
import { resample } from "./resample.ts";
import { type ResizeMode, resizeImage } from "./resize-image.ts";
import type { RgbImage } from "./rgb-image.ts";

/** Grey pixels, row by row. */
function grey(rows: readonly (readonly number[])[]): RgbImage {
  const data = Uint8Array.from(rows.flat().flatMap((value) => [value, value, value]));
  return { data, height: rows.length, width: rows[0]?.length ?? 0 };
}
const reds = ({ data }: RgbImage) => [...data].filter((_, i) => i % 3 === 0);

/** The picture of golden/make-pillow-resize.py. */
function patterned(height: number, width: number): RgbImage {
  const data = Uint8Array.from({ length: height * width * 3 }, (_, i) => ((i * 7919) >> 3) & 255);
  return { data, height, width };
}

test("shrinks a row of four to two with weights 1 3 3 1, cut at the edges", () => {
  // s = 2, centres 1 and 3: pixels 0 1 2 with weights 3/4 3/4 1/4, and 1 2 3 with 1/4 3/4 3/4
  const row = grey([[0, 70, 140, 210]]);
  expect(reds(resizeImage(row, { height: 1, width: 2 }))).toEqual([50, 160]);
});

test("enlarges a pair to four", () => {
  // s = 1/2, centres 1/4 3/4 5/4 7/4: only the first, 3/4 + 1/4, 1/4 + 3/4, only the last
  const pair = grey([[0, 100]]);
  expect(reds(resizeImage(pair, { height: 1, width: 4 }))).toEqual([0, 25, 75, 100]);
});

test("treats columns as rows", () => {
  const column = grey([[0], [70], [140], [210]]);
  expect(reds(resizeImage(column, { height: 2, width: 1 }))).toEqual([50, 160]);
});

test("is Pillow, byte for byte", () => {
  expect(golden.cases.length).toBeGreaterThan(10);
  for (const { mode, source, size, box, data } of golden.cases) {
    const [sourceHeight = 0, sourceWidth = 0] = source;
    const [height = 0, width = 0] = size;
    const image = patterned(sourceHeight, sourceWidth);
    const made = box
      ? resample(image, box, box, { height, width })
      : resizeImage(image, { height, width, mode: mode as ResizeMode });
    expect({ mode, source, size, data: [...made.data] }).toEqual({ mode, source, size, data });
  }
});

test("keeps a constant picture constant at every size and mode", () => {
  const side = fc.integer({ min: 1, max: 40 });
  fc.assert(
    fc.property(
      side,
      side,
      side,
      side,
      fc.integer({ min: 0, max: 255 }),
      (sourceHeight, sourceWidth, height, width, value) => {
        const image = grey(Array.from({ length: sourceHeight }, () => Array(sourceWidth).fill(value)));
        for (const mode of ["stretch", "cover", "contain"] as const) {
          const background = [value, value, value] as const;
          const made = resizeImage(image, { height, width, mode, background });
          expect(made.data).toEqual(new Uint8Array(height * width * 3).fill(value));
        }
      },
    ),
  );
});

test("gives the same picture at the same size, as a copy", () => {
  const image = patterned(5, 7);
  for (const mode of ["stretch", "cover", "contain"] as const) {
    const made = resizeImage(image, { height: 5, width: 7, mode });
    expect(made).toEqual(image);
    expect(made.data.buffer).not.toBe(image.data.buffer);
  }
});

test("cover cuts both ends, contain puts bars there", () => {
  const wide = grey([[9, 1, 2, 9]]);
  expect(reds(resizeImage(grey([[9, 9, 1, 2, 9, 9]]), { height: 1, width: 1, mode: "cover" }))).toHaveLength(
    1,
  );
  const square = resizeImage(grey([[9, 5, 5, 9], [9, 5, 5, 9]]), { height: 2, width: 2, mode: "cover" }); // biome-ignore format: a picture
  expect(reds(square)).toEqual([5, 5, 5, 5]);
  const held = resizeImage(wide, { height: 4, width: 4, mode: "contain", background: [7, 0, 0] });
  expect(reds(held)).toEqual([7, 7, 7, 7, 9, 1, 2, 9, 7, 7, 7, 7, 7, 7, 7, 7]);
});

test("stays near sharp, whose kernel is another approximation of the same triangle", async () => {
  const smooth = Uint8Array.from({ length: 96 * 64 * 3 }, (_, i) => {
    const [x, y] = [Math.floor(i / 3) % 96, Math.floor(i / 3 / 96)];
    return 128 + 60 * Math.sin(x / 9 + (i % 3)) + 60 * Math.cos(y / 7);
  });
  const theirs = await sharp(smooth, { raw: { width: 96, height: 64, channels: 3 } })
    .resize({ width: 40, height: 24, fit: "fill", kernel: "linear" })
    .raw()
    .toBuffer();
  const ours = resizeImage({ data: smooth, width: 96, height: 64 }, { height: 24, width: 40 });
  const worst = ours.data.reduce((most, byte, i) => Math.max(most, Math.abs(byte - (theirs[i] ?? 0))), 0);
  expect(worst).toBeLessThanOrEqual(2);
});

test("says what is wrong with its arguments", () => {
  const image = patterned(2, 2);
  expect(() => resizeImage({ ...image, width: 3 }, { height: 1, width: 1 })).toThrow(ShapeError);
  expect(() => resizeImage(image, { height: 0, width: 1 })).toThrow("height is 0 and width is 1, expected");
  expect(() => resizeImage(image, { height: 1, width: 1.5 })).toThrow(RangeError);
  expect(() => resizeImage(image, { height: 1, width: 1, mode: "fill" as never })).toThrow('mode is "fill"');
  expect(() => resizeImage(image, { height: 1, width: 1, filter: "cubic" as never })).toThrow(
    'filter is "cubic"',
  );
});
