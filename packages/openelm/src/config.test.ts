import { describe, expect, test } from "vitest";
import { openElmConfig } from "./config.ts";

describe("openElmConfig", () => {
  test("knows the published sizes", () => {
    const { layers, scaling, ...rest } = openElmConfig("270M");
    expect(rest).toEqual({
      vocabSize: 32000,
      modelDim: 1280,
      headDim: 64,
      contextLength: 2048,
      ropeBase: 10000,
      ropeMaxLength: 4096,
      tied: true,
      rmsNormEps: 1e-6,
    });
    expect(layers.length).toBe(16);
    expect(scaling.qkvMultipliers).toEqual([0.5, 1]);
    expect([openElmConfig("3B").headDim, openElmConfig("1.1B").layers.length]).toEqual([128, 28]);
  });

  test("takes another vocabulary and context", () => {
    const config = openElmConfig("450M", { vocabSize: 32128, contextLength: 512 });
    expect([config.vocabSize, config.contextLength, config.ropeMaxLength]).toEqual([32128, 512, 1024]);
  });

  const own = {
    numLayers: 2,
    modelDim: 8,
    headDim: 4,
    groupSize: 1,
    qkvMultipliers: 1,
    ffnMultipliers: 2,
    ffnDivisor: 4,
    vocabSize: 10,
  };

  test("takes widths of one's own", () => {
    const config = openElmConfig({ ...own, tied: false, ropeBase: 500, contextLength: 16 });
    expect(config.layers).toEqual(Array(2).fill({ numQueryHeads: 2, numKvHeads: 2, ffnDim: 16 }));
    expect([config.tied, config.ropeBase, config.ropeMaxLength]).toEqual([false, 500, 32]);
  });

  test("names what cannot be", () => {
    expect(() => openElmConfig("2B" as "3B")).toThrow(
      'openElmConfig: there is no OpenELM "2B", expected 270M, 450M, 1.1B, 3B.',
    );
    expect(() => openElmConfig("toString" as "3B")).toThrow('no OpenELM "toString"');
    expect(() => openElmConfig({ ...own, vocabSize: 0 })).toThrow(
      "openElmConfig: vocabSize is 0, expected a positive integer.",
    );
    expect(() => openElmConfig({ ...own, numLayers: 1.5 })).toThrow("numLayers is 1.5");
    expect(() => openElmConfig({ ...own, headDim: 5 })).toThrow("headDim is 5, expected an even number");
    expect(() => openElmConfig({ ...own, ffnMultipliers: [1, Number.NaN] })).toThrow(
      "ffnMultipliers holds NaN",
    );
    expect(() => openElmConfig({ ...own, ropeBase: 0 })).toThrow(
      "ropeBase is 0, expected a positive integer",
    );
    expect(() => openElmConfig({ ...own, ropeMaxLength: -1 })).toThrow("ropeMaxLength is -1");
  });
});
