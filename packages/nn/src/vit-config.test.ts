import { expect, test } from "vitest";
import { countVitMultiplyAdds, type VitOptions, vitConfig } from "./vit-config.ts";

const base: VitOptions = {
  imageSize: 224,
  patchSize: 16,
  modelDim: 768,
  numHeads: 12,
  numLayers: 12,
  numClasses: 1000,
};

test("fills in the defaults of ViT", () => {
  expect(vitConfig(base)).toEqual({
    patchSize: 16,
    modelDim: 768,
    numHeads: 12,
    numLayers: 12,
    numClasses: 1000,
    ffnDim: 3072,
    channels: 3,
    pooling: "classToken",
    positions: { rows: 14, columns: 14 },
    interpolation: "bilinear",
    layerNormEps: 1e-6,
  });
  expect(vitConfig({ ...base, imageSize: { height: 32, width: 48 } }).positions).toEqual({
    rows: 2,
    columns: 3,
  });
});

test("names what cannot be", () => {
  expect(() => vitConfig({ ...base, numHeads: 10 })).toThrow(
    "vitConfig: modelDim 768 is no multiple of the 10 heads. Use 770, or change numHeads.",
  );
  expect(() => vitConfig({ ...base, numLayers: 0 })).toThrow("vitConfig: numLayers is 0");
  expect(() => vitConfig({ ...base, imageSize: 100 })).toThrow("Resize them to 96 x 96");
  expect(() => vitConfig({ ...base, pooling: "max" as "mean" })).toThrow('pooling is "max"');
  expect(() => vitConfig({ ...base, layerNormEps: Number.NaN })).toThrow("layerNormEps is NaN");
});

test("counts one layer by hand", () => {
  const config = vitConfig({
    imageSize: 4,
    patchSize: 2,
    modelDim: 2,
    numHeads: 1,
    numLayers: 1,
    numClasses: 3,
    ffnDim: 5,
    channels: 1,
  });
  // 4 patches of 4 pixels to 2; 5 tokens: q, k, v and out 16, feed-forward 20, scores and reads 2 · 5 · 2 each; head 6.
  expect(countVitMultiplyAdds(config, { height: 4, width: 4 })).toBe(4 * 4 * 2 + 5 * (16 + 20 + 20) + 6);
  // Two patches of the mean, no class token.
  const mean = { ...config, pooling: "mean" as const };
  expect(countVitMultiplyAdds(mean, { height: 2, width: 4 })).toBe(2 * 4 * 2 + 2 * (16 + 20 + 8) + 6);
});

test("ViT-B/16 costs what CatLIP's sheet says, but for the stem", () => {
  const size = { height: 224, width: 224 };
  const convolutions = 196 * (16 * (3 * 16 * 192) + 4 * (192 * 4 * 192) + 192 * 4 * 768);
  const patches = 196 * 768 * 768;
  const total = countVitMultiplyAdds(vitConfig(base), size) - patches + convolutions;
  expect(total / 1e9).toBeCloseTo(17.708, 2);
});

test("a size that does not fit is named", () => {
  expect(() => countVitMultiplyAdds(vitConfig(base), { height: 224, width: 230 })).toThrow(
    "countVitMultiplyAdds: the images are 224 x 230 pixels",
  );
});
