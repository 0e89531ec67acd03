import { makeDivisible } from "@corenet/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openElmConfig } from "./config.ts";
import { type LayerScaling, scaleLayers, spreadMultipliers } from "./scale-layers.ts";

/** The published models, layer by layer: query heads, key-value heads, feed-forward width, weights of the layer. */
const published: Record<"270M" | "450M" | "1.1B" | "3B", [number, number, number, number][]> = {
  "270M": [
    [12, 3, 768, 5409408],
    [12, 3, 1024, 6392448],
    [12, 3, 1280, 7375488],
    [12, 3, 1536, 8358528],
    [12, 3, 1792, 9341568],
    [16, 4, 2048, 11143808],
    [16, 4, 2560, 13109888],
    [16, 4, 2816, 14092928],
    [16, 4, 3072, 15075968],
    [16, 4, 3328, 16059008],
    [16, 4, 3584, 17042048],
    [16, 4, 3840, 18025088],
    [20, 5, 4352, 20810368],
    [20, 5, 4608, 21793408],
    [20, 5, 4864, 22776448],
    [20, 5, 5120, 23759488],
  ],
  "450M": [
    [12, 3, 768, 6491264],
    [12, 3, 1024, 7670912],
    [12, 3, 1280, 8850560],
    [16, 4, 1536, 11013248],
    [16, 4, 1792, 12192896],
    [16, 4, 2304, 14552192],
    [16, 4, 2560, 15731840],
    [16, 4, 2816, 16911488],
    [16, 4, 3072, 18091136],
    [16, 4, 3328, 19270784],
    [20, 5, 3584, 21433472],
    [20, 5, 3840, 22613120],
    [20, 5, 4096, 23792768],
    [20, 5, 4352, 24972416],
    [20, 5, 4608, 26152064],
    [20, 5, 5120, 28511360],
    [24, 6, 5376, 30674048],
    [24, 6, 5632, 31853696],
    [24, 6, 5888, 33033344],
    [24, 6, 6144, 34212992],
  ],
  "1.1B": [
    [16, 4, 1024, 11538560],
    [16, 4, 1280, 13111424],
    [16, 4, 1536, 14684288],
    [20, 5, 1792, 17567872],
    [20, 5, 2048, 19140736],
    [20, 5, 2304, 20713600],
    [20, 5, 2560, 22286464],
    [20, 5, 2816, 23859328],
    [20, 5, 3072, 25432192],
    [20, 5, 3328, 27005056],
    [24, 6, 3584, 29888640],
    [24, 6, 3840, 31461504],
    [24, 6, 4096, 33034368],
    [24, 6, 4608, 36180096],
    [24, 6, 4608, 36180096],
    [24, 6, 5120, 39325824],
    [24, 6, 5376, 40898688],
    [24, 6, 5632, 42471552],
    [28, 7, 5888, 45355136],
    [28, 7, 6144, 46928000],
    [28, 7, 6400, 48500864],
    [28, 7, 6656, 50073728],
    [28, 7, 6912, 51646592],
    [28, 7, 7168, 53219456],
    [32, 8, 7424, 56103040],
    [32, 8, 7680, 57675904],
    [32, 8, 7936, 59248768],
    [32, 8, 8192, 60821632],
  ],
  "3B": [
    [12, 3, 1536, 25958656],
    [12, 3, 1792, 28317952],
    [12, 3, 2048, 30677248],
    [12, 3, 2560, 35395840],
    [16, 4, 2816, 41687296],
    [16, 4, 3072, 44046592],
    [16, 4, 3328, 46405888],
    [16, 4, 3584, 48765184],
    [16, 4, 4096, 53483776],
    [16, 4, 4352, 55843072],
    [16, 4, 4608, 58202368],
    [16, 4, 4864, 60561664],
    [16, 4, 5120, 62920960],
    [16, 4, 5632, 67639552],
    [16, 4, 5888, 69998848],
    [16, 4, 6144, 72358144],
    [16, 4, 6400, 74717440],
    [16, 4, 6656, 77076736],
    [20, 5, 7168, 85727488],
    [20, 5, 7424, 88086784],
    [20, 5, 7680, 90446080],
    [20, 5, 7936, 92805376],
    [20, 5, 8192, 95164672],
    [20, 5, 8704, 99883264],
    [20, 5, 8960, 102242560],
    [20, 5, 9216, 104601856],
    [20, 5, 9472, 106961152],
    [20, 5, 9728, 109320448],
    [20, 5, 10240, 114039040],
    [20, 5, 10496, 116398336],
    [24, 6, 10752, 122689792],
    [24, 6, 11008, 125049088],
    [24, 6, 11264, 127408384],
    [24, 6, 11776, 132126976],
    [24, 6, 12032, 134486272],
    [24, 6, 12288, 136845568],
  ],
};

describe("the published models", () => {
  test.each(["270M", "450M", "1.1B", "3B"] as const)("%s has the widths of every layer", (name) => {
    const { layers, modelDim: D, headDim: d } = openElmConfig(name);
    const actual = layers.map(({ numQueryHeads: H, numKvHeads: K, ffnDim: F }) => {
      const weights = D * (H + 2 * K) * d + H * d * D + 3 * D * F + 2 * D + 2 * d;
      return [H, K, F, weights];
    });
    expect(actual).toEqual(published[name]);
  });

  test("are 100 layers in all", () => {
    expect(Object.values(published).flat().length).toBe(100);
  });
});

const scaling = (options: Partial<LayerScaling>): LayerScaling => ({
  numLayers: 4,
  modelDim: 48,
  headDim: 16,
  groupSize: 2,
  qkvMultipliers: [0.5, 1.5],
  ffnMultipliers: [0.5, 1.5],
  ffnDivisor: 8,
  ...options,
});

test("widths may pass the model's", () => {
  const layers = scaleLayers(scaling({}));
  expect(layers.map((layer) => layer.numQueryHeads)).toEqual([2, 4, 4, 6]);
  expect(layers.map((layer) => layer.numKvHeads)).toEqual([1, 2, 2, 3]);
  expect(layers.map((layer) => layer.ffnDim)).toEqual([24, 40, 56, 72]);
});

test("the reference's smallest model, gpt-test, has one head and 256 wide", () => {
  const layers = scaleLayers({
    ...{ numLayers: 1, modelDim: 128, headDim: 64, groupSize: 1, ffnDivisor: 256 },
    ...{ qkvMultipliers: [0.25, 0.5], ffnMultipliers: [0.25, 0.75] },
  });
  expect(layers).toEqual([{ numQueryHeads: 1, numKvHeads: 1, ffnDim: 256 }]);
});

test("one layer takes the first of a pair", () => {
  const test = scaling({
    numLayers: 1,
    modelDim: 128,
    headDim: 64,
    groupSize: 1,
    qkvMultipliers: [0.25, 0.5],
    ffnMultipliers: [0.25, 0.75],
    ffnDivisor: 256,
  });
  expect(scaleLayers(test)).toEqual([{ numQueryHeads: 1, numKvHeads: 1, ffnDim: 256 }]);
});

test("one number is the same in every layer, and not rounded", () => {
  expect(spreadMultipliers("qkvMultipliers", 1.2345, 3)).toEqual([1.2345, 1.2345, 1.2345]);
});

test("a pair goes in equal steps, rounded to hundredths, half to even", () => {
  expect(spreadMultipliers("m", [0.5, 1], 4)).toEqual([0.5, 0.67, 0.83, 1]);
  expect(spreadMultipliers("m", [0.125, 0.375], 2)).toEqual([0.12, 0.38]);
});

test("a list has one for each layer, and is not rounded", () => {
  expect(spreadMultipliers("m", [0.123, 2, 3], 3)).toEqual([0.123, 2, 3]);
  expect(() => spreadMultipliers("ffnMultipliers", [1, 2, 3], 4)).toThrow(
    "scaleLayers: ffnMultipliers has 3 values, expected a number, a pair, or one for each of 4 layers.",
  );
});

test.each([0, -1, Number.NaN, Infinity])("a multiplier of %d is refused", (wrong) => {
  expect(() => scaleLayers(scaling({ qkvMultipliers: wrong }))).toThrow(
    `scaleLayers: qkvMultipliers holds ${wrong}, expected positive numbers.`,
  );
  expect(() => scaleLayers(scaling({ ffnMultipliers: [1, wrong] }))).toThrow(`ffnMultipliers holds ${wrong}`);
});

describe("makeDivisible", () => {
  test.each([
    [100, 256, 256],
    [2181.12, 256, 2304],
    [890.88, 256, 1024],
    [768, 256, 768],
    [127, 256, 256],
  ])("of %d by %d is %d", (value, divisor, expected) => {
    expect(makeDivisible(value, divisor)).toBe(expected);
  });

  test("is a multiple, close to the value, and never more than a tenth below", () => {
    const value = fc.double({ min: 1, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(value, fc.integer({ min: 1, max: 512 }), (v, divisor) => {
        const width = makeDivisible(v, divisor);
        expect(width % divisor).toBe(0);
        expect(width).toBeGreaterThanOrEqual(0.9 * v);
        expect(width).toBeLessThan(Math.max(divisor, v) + divisor);
      }),
    );
  });
});

test("query heads are always a multiple of key-value heads", () => {
  const any = fc.record({
    numLayers: fc.integer({ min: 1, max: 40 }),
    modelDim: fc.integer({ min: 1, max: 4096 }),
    headDim: fc.constantFrom(2, 16, 64, 128),
    groupSize: fc.integer({ min: 1, max: 8 }),
    qkvMultipliers: fc.tuple(
      fc.double({ min: 0.1, max: 2, noNaN: true }),
      fc.double({ min: 0.1, max: 2, noNaN: true }),
    ),
    ffnMultipliers: fc.double({ min: 0.1, max: 8, noNaN: true }),
    ffnDivisor: fc.integer({ min: 1, max: 512 }),
  });
  fc.assert(
    fc.property(any, (options) => {
      for (const { numQueryHeads, numKvHeads, ffnDim } of scaleLayers(options)) {
        expect(numQueryHeads).toBe(numKvHeads * options.groupSize);
        expect(ffnDim % options.ffnDivisor).toBe(0);
      }
    }),
  );
});
