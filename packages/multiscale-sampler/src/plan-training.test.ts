import { Rng } from "@corenet/core";
import { describe, expect, test } from "vitest";
import { cnnCost } from "./cnn-cost.ts";
import { curriculumScales } from "./curriculum-scales.ts";
import { decoderCost } from "./decoder-cost.ts";
import { expectedUpdates } from "./expected-updates.ts";
import { fixedBatchScales, fixedScale, variableBatchScales } from "./image-scales.ts";
import { pixelCost } from "./pixel-cost.ts";
import { planTable } from "./plan-table.ts";
import { planTraining } from "./plan-training.ts";
import { createSampler } from "./sampler.ts";
import { sequenceScales } from "./sequence-scales.ts";
import { vitCost } from "./vit-cost.ts";

const imagenet = { baseSize: 224, baseBatch: 128, minSize: 128, maxSize: 320 };
const vbs = variableBatchScales(imagenet);
const base = fixedScale({ size: 224, batchSize: 128 });
const plan = planTraining({ samples: 1_281_167, scales: vbs, baseline: base, cost: pixelCost });

describe("the savings of the paper, by arithmetic", () => {
  test("MSc-VBS saves 23.4 % of the FLOPs of single-scale training", () => {
    expect(plan.flopsRatio).toBeCloseTo(0.7655, 4);
    expect(plan.saving).toBeCloseTo(0.2345, 4); // by pixels
    const resnet101 = cnnCost({ macs: 7.8014e9, fixedMacs: 2_048_000 });
    const { saving } = planTraining({ samples: 1_281_167, scales: vbs, baseline: base, cost: resnet101 });
    expect((100 * saving).toFixed(1)).toBe("23.4");
    expect(plan.updatesRatio).toBeCloseTo(0.7683, 4);
  });

  test("with the curriculum it saves 32.9 %", () => {
    const { saving } = planTraining({
      samples: 1_281_167,
      epochs: 300,
      scales: curriculumScales({ baseSize: 224, baseBatch: 128, epochs: 300 }),
      baseline: base,
      cost: pixelCost,
    });
    expect(saving).toBeCloseTo(1 - 0.671, 4);
    expect((100 * saving).toFixed(1)).toBe("32.9");
  });

  test("a detector saves about 37 %, however one counts", () => {
    const scales = variableBatchScales({
      baseSize: 1024,
      baseBatch: 4,
      minSize: 512,
      maxSize: 1280,
      count: 10,
    });
    const baseline = fixedScale({ size: 1024, batchSize: 4 });
    const pixels = planTraining({ samples: 117_266, scales, baseline, cost: pixelCost });
    const share = 0.139; // of the cost at the base, in heads that do not see the size
    const cost = cnnCost({ macs: 1e12, size: 1024, fixedMacs: share * 1e12 });
    const withHeads = planTraining({ samples: 117_266, scales, baseline, cost });
    expect(1 - pixels.updatesRatio).toBeCloseTo(0.3651, 4);
    expect(pixels.saving).toBeCloseTo(0.4298, 4);
    expect(withHeads.saving).toBeCloseTo(0.37, 3);
    expect(1 - (512 * 1280) / 1024 ** 2).toBe(0.375);
    for (const saving of [1 - pixels.updatesRatio, pixels.saving, withHeads.saving]) {
      expect(saving).toBeGreaterThan(0.35);
      expect(saving).toBeLessThan(0.44);
    }
  });

  test.each([
    [224, 128, 128, 320, 5, 32, 166.6, 0.7655, 0.7683, 1.151],
    [224, 128, 128, 320, 10, 32, 168.714, 0.7563, 0.7587, 1.0816],
    [224, 128, 128, 320, 25, 32, 168.714, 0.7563, 0.7587, 1.0816],
    [224, 128, 160, 320, 5, 32, 131.5, 0.9698, 0.9734, 1.2075],
    [224, 1024, 128, 320, 25, 16, 1302.08, 0.786, 0.7864, 1.0714],
    [256, 128, 160, 320, 5, 32, 172.8, 0.7382, 0.7407, 0.9563],
    [512, 64, 256, 512, 25, 32, 131.556, 0.4841, 0.4865, 0.5885],
    [1024, 4, 512, 1280, 10, 32, 6.3, 0.5702, 0.6349, 0.8225],
    [1024, 2, 512, 1280, 25, 32, 2.84, 0.5765, 0.7042, 0.8164],
    [1024, 8, 512, 1280, 25, 32, 12.64, 0.6062, 0.6329, 0.8164],
    [1024, 1, 512, 1280, 10, 32, 1.5, 0.6505, 0.6667, 0.8225],
  ])(
    "%i, batch %i, %i to %i, n %i, d %i",
    (baseSize, baseBatch, minSize, maxSize, count, divisor, meanBatch, rho, sigma, fixed) => {
      const options = { baseSize, baseBatch, minSize, maxSize, count, divisor };
      const scales = variableBatchScales(options);
      const rest = {
        samples: 50_000,
        baseline: fixedScale({ size: baseSize, batchSize: baseBatch }),
        cost: pixelCost,
      };
      const variable = planTraining({ ...rest, scales });
      expect(scales.reduce((sum, scale) => sum + scale.batchSize, 0) / scales.length).toBeCloseTo(
        meanBatch,
        2,
      );
      expect(variable.flopsRatio).toBeCloseTo(rho, 4);
      expect(variable.updatesRatio).toBeCloseTo(sigma, 4);
      const multi = planTraining({ ...rest, scales: fixedBatchScales(options) });
      expect(multi.flopsRatio).toBeCloseTo(fixed, 4);
      expect(multi.updatesRatio).toBe(1);
    },
  );

  test("shares of samples, and the dearest batch", () => {
    const shares = plan.epochs[0]?.scales.map((scale) => (100 * scale.sampleShare).toFixed(2));
    expect(shares).toEqual(["47.06", "20.89", "15.37", "9.24", "7.44"]);
    expect(plan.peakRatio).toBeLessThanOrEqual(1);
    const rest = { samples: 1000, cost: pixelCost };
    expect(
      planTraining({ ...rest, scales: fixedBatchScales(imagenet), baseline: base }).peakRatio,
    ).toBeCloseTo(2.041, 3);
    const one = variableBatchScales({ baseSize: 1024, baseBatch: 1, minSize: 512, maxSize: 1280, count: 10 });
    const baseline = fixedScale({ size: 1024, batchSize: 1 });
    expect(planTraining({ ...rest, scales: one, baseline }).peakRatio).toBe(1.5625);
  });
});

describe("updates", () => {
  test("are exactly expected", () => {
    const sizes = vbs.map((scale) => scale.batchSize);
    expect(expectedUpdates(1000, sizes)).toBeCloseTo(6.758445, 6);
    expect(expectedUpdates(50_000, sizes)).toBeCloseTo(300.874001, 6);
    expect(expectedUpdates(1000, [128])).toBe(8);
    expect(expectedUpdates(0, sizes)).toBe(0);
    expect(plan.baselineUpdates).toBe(10010);
    expect(
      planTraining({ samples: 50_000, scales: vbs, baseline: base, cost: pixelCost }).baselineUpdates,
    ).toBe(391);
  });

  test("and cost are what 600 epochs of the sampler have, within 1 %", () => {
    const samples = 20_000;
    const sampler = createSampler({ samples, scales: vbs, random: new Rng("mean") });
    let updates = 0;
    let pixels = 0;
    for (let epoch = 0; epoch < 600; epoch++) {
      for (const { height, width, batchSize } of sampler.epoch(epoch)) {
        updates += 1 / 600;
        pixels += (height * width * batchSize) / 600;
      }
    }
    const expected = planTraining({ samples, scales: vbs, baseline: base, cost: pixelCost });
    expect(Math.abs(updates / expected.updates - 1)).toBeLessThan(0.01);
    expect(Math.abs((3 * pixels) / expected.flops - 1)).toBeLessThan(0.01);
  });
});

describe("costs", () => {
  const at = (size: number) => ({ height: size, width: size });
  const gmac = (flops: number) => (flops / 2e9).toFixed(4);
  const sizes = [128, 160, 192, 224, 256, 288, 320];

  test("a ResNet's, from one measurement", () => {
    const resnet101 = cnnCost({ macs: 7.8014e9, fixedMacs: 2_048_000 });
    const want = [2.5488, 3.9813, 5.7322, 7.8014, 10.189, 12.8949, 15.9191];
    for (const [i, size] of sizes.entries())
      expect(resnet101(at(size)) / 2e9).toBeCloseTo(want[i] as number, 3);
    const resnet50 = cnnCost({ macs: 4.0892e9, fixedMacs: 2_048_000 });
    const ratio = (cost: typeof resnet50) =>
      planTraining({ samples: 1000, scales: vbs, baseline: base, cost }).flopsRatio;
    expect(ratio(resnet101)).toBeCloseTo(0.76555, 5);
    expect(ratio(resnet50)).toBeCloseTo(0.76561, 5);
  });

  test("a ViT's, with the stem of CoreNet", () => {
    const vitB = vitCost({ modelDim: 768, numLayers: 12, stem: "conv" });
    const want = ["5.6836", "8.8991", "12.8942", "17.7076", "23.3854", "29.9806", "37.5535"];
    expect(sizes.map((size) => gmac(vitB(at(size))))).toEqual(want);
    expect(gmac(vitCost({ modelDim: 768, numLayers: 12 })(at(224)))).toBe("17.5631");
  });

  test.each([
    ["B", 768, 12, 1024, 0.7895],
    ["L", 1024, 24, 512, 0.7887],
    ["H", 1280, 32, 256, 0.7881],
  ])("CatLIP's ViT-%s", (_, modelDim, numLayers, baseBatch, ratio) => {
    const scales = variableBatchScales({ ...imagenet, baseBatch, count: 25, divisor: 16 });
    const cost = vitCost({ modelDim, numLayers, stem: "conv", numClasses: 24_320 });
    const baseline = fixedScale({ size: 224, batchSize: baseBatch });
    expect(planTraining({ samples: 1e5, scales, baseline, cost }).flopsRatio).toBeCloseTo(ratio, 4);
  });

  test("a decoder's, counted by hand", () => {
    const layers = [{ numQueryHeads: 2, numKvHeads: 1, ffnDim: 16 }];
    const cost = decoderCost({ modelDim: 8, headDim: 4, vocabSize: 10, layers });
    // per token: q 8·8, k and v 8·4 each, out 8·8, three matrices 8·16, head 8·10; per score 2·2·4
    const perToken = 64 + 2 * 32 + 64 + 3 * 128 + 80;
    expect(cost({ length: 3 })).toBe(2 * (3 * perToken + 6 * 16));
  });

  test("short sequences save what attention costs", () => {
    const layers = Array.from({ length: 16 }, () => ({ numQueryHeads: 16, numKvHeads: 4, ffnDim: 3072 }));
    const cost = decoderCost({ modelDim: 1280, headDim: 64, vocabSize: 32_000, layers });
    const lengths = { baseLength: 1024, baseBatch: 16, minLength: 128, maxLength: 2048 };
    const baseline = [{ length: 1024, batchSize: 16 }];
    const { saving } = planTraining({ samples: 10_000, scales: sequenceScales(lengths), baseline, cost });
    const tokens = planTraining({
      samples: 10_000,
      scales: sequenceScales(lengths),
      baseline,
      cost: (s) => s.length,
    });
    expect(saving).toBeGreaterThan(0.4);
    expect(tokens.saving).toBeGreaterThan(0.4);
  });

  test("say how to mend what cannot be", () => {
    expect(() => cnnCost({ macs: 1, fixedMacs: 2 })).toThrow("cnnCost: macs is 1, fixedMacs 2");
    expect(() => vitCost({ modelDim: 0, numLayers: 1 })).toThrow("vitCost: modelDim is 0");
    expect(() => vitCost({ modelDim: 8, numLayers: 1, patchSize: 14, stem: "conv" })).toThrow(
      "patchSize is 14",
    );
    expect(() => decoderCost({ modelDim: 8, headDim: 4, vocabSize: 10, layers: [] })).toThrow("layers is 0");
  });
});

test("a text of so many tokens, in batches of as many, saves only what attention costs", () => {
  const layers = Array.from({ length: 16 }, () => ({ numQueryHeads: 16, numKvHeads: 4, ffnDim: 3072 }));
  const cost = decoderCost({ modelDim: 1280, headDim: 64, vocabSize: 32_000, layers });
  const lengths = { minLength: 256, maxLength: 2048, divisor: 256, spacing: "doubling" as const };
  const options = {
    samples: 2 ** 26,
    scales: sequenceScales({ baseLength: 2048, baseBatch: 8, ...lengths }),
    baseline: [{ length: 2048, batchSize: 8 }],
    amount: ({ length }: { length: number }) => length,
  };
  const text = planTraining({ ...options, cost });
  expect(text.updates).toBe(2 ** 26 / (8 * 2048));
  expect(text.updatesRatio).toBe(1);
  expect(text.epochs[0]?.scales.map(({ sampleShare }) => sampleShare)).toEqual([0.25, 0.25, 0.25, 0.25]);
  const perToken = (length: number) => cost({ length }) / length;
  const mean = [256, 512, 1024, 2048].reduce((sum, length) => sum + perToken(length) / 4, 0);
  expect(text.saving).toBeCloseTo(1 - mean / perToken(2048), 12);
  expect(planTraining({ ...options, cost: ({ length }) => length }).saving).toBeCloseTo(0, 12);
  expect(() => planTraining({ ...options, cost, amount: () => 0.5 })).toThrow('amount({"length":2048');
});

test("the table has the scales and the totals", () => {
  expect(planTable(plan).split("\n")).toEqual([
    "scales of one epoch",
    "           batch  samples  cost of a batch",
    "128 x 128    392   47.1 %             1.00",
    "192 x 192    174   20.9 %             1.00",
    "224 x 224    128   15.4 %             1.00",
    "288 x 288     77    9.2 %             0.99",
    "320 x 320     62    7.4 %             0.99",
    "",
    "expected on each rank",
    "          planned  one scale   saved",
    "updates     7 691     10 010  23.2 %",
    "FLOPs    1.48e+11   1.93e+11  23.5 %",
    "",
    "The dearest batch costs 1.00 times one of the single scale.",
  ]);
});

test("says how to mend what cannot be planned", () => {
  const options = { samples: 100, scales: vbs, baseline: base, cost: pixelCost };
  expect(() => planTraining({ ...options, samples: 0 })).toThrow("planTraining: samples is 0");
  expect(() => planTraining({ ...options, epochs: 0.5 })).toThrow("epochs is 0.5");
  expect(() => planTraining({ ...options, baseline: vbs })).toThrow("baseline has 5 scales, expected one");
  expect(() => planTraining({ ...options, scales: [] })).toThrow("got no scales in epoch 0");
  expect(() => planTraining({ ...options, cost: () => 0 })).toThrow(TypeError);
  expect(() => planTraining({ ...options, cost: () => Number.NaN })).toThrow('cost({"height":224');
});
