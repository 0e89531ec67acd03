import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { specGaussian, specHeavyTailed } from "../../test/spec-data.ts";
import { trainedNames, trainedWeights } from "../../test/trained-weights.ts";
import type { BlockBatch, BlockSearchOptions } from "../codec/block-search.ts";
import { lfsrConfig } from "../codec/config.ts";
import { autoExpBias } from "../codec/exponent-bias.ts";
import { referenceSearch } from "../codec/reference-search.ts";
import { type EncoderBuild, encoderModule } from "./encoder-module.ts";
import { threadSearch } from "./thread-search.ts";

const builds = await Promise.all(
  (["relaxed", "simd"] as EncoderBuild[]).map(async (name) => ({
    name,
    search: threadSearch(await encoderModule(name)),
  })),
);
const reference = referenceSearch();

/** Both builds must find what the plain encoder finds: seeds, exponents, coefficients, errors, bit for bit. */
async function expectTheSame(batch: BlockBatch, options: BlockSearchOptions): Promise<void> {
  const expected = await reference.search(batch, options);
  for (const { name, search } of builds) {
    expect({ name, codes: await search.search(batch, options) }).toEqual({ name, codes: expected });
  }
}

function optionsOf(
  config: Parameters<typeof lfsrConfig>[0],
  more: Partial<BlockSearchOptions> = {},
): BlockSearchOptions {
  const made = lfsrConfig(config);
  return { config: made, exponentRule: "best", expBias: -13, nSeeds: 2 ** made.K - 1, ...more };
}

function scaled(values: Float32Array, factor: number): Float32Array<ArrayBuffer> {
  return Float32Array.from(values, (w) => w * factor);
}

/** One weight in 16 is a hundred times as large. */
function withOutliers(values: Float32Array): Float32Array<ArrayBuffer> {
  return Float32Array.from(values, (w, i) => (i % 16 === 5 ? 100 * w : w));
}

describe.each([
  ["4 bits", { bits: 4 }],
  ["3 bits", { bits: 3 }],
  ["4.5 bits", { bits: 4.5 }],
  ["decimated", { C: 8, P: 3, decimation: 8 }],
  ["with five coefficients", { C: 10, P: 5 }],
] as const)("%s: the codes of the reference", (_, config) => {
  const options = optionsOf(config);
  const n = 24 * options.config.C;

  test("Gaussian, of any scale, by every rule", async () => {
    const blocks = specGaussian(99, n);
    await expectTheSame({ blocks }, options);
    for (const exponentRule of ["fit", "paper-literal"] as const) {
      await expectTheSame({ blocks: blocks.slice(0, n / 2) }, { ...options, exponentRule });
    }
  });

  test("heavy tails and outliers", async () => {
    await expectTheSame({ blocks: specHeavyTailed(5, n) }, options);
    await expectTheSame({ blocks: withOutliers(specGaussian(7, n)) }, options);
  });

  test.each(trainedNames)("trained: %s", async (name) => {
    const weights = trainedWeights(name);
    const blocks = weights.slice(0, weights.length - (weights.length % options.config.C));
    const expBias = autoExpBias(Math.sqrt(weights.reduce((sum, w) => sum + w * w, 0) / weights.length), 16);
    await expectTheSame({ blocks }, { ...options, expBias });
  });

  test("most blocks at the floor of the paper's window", async () => {
    await expectTheSame({ blocks: scaled(specGaussian(3, n), 0.01) }, { ...options, expBias: -8 });
    await expectTheSame({ blocks: scaled(specGaussian(4, n / 4), 0.001) }, { ...options, expBias: -8 });
  });

  test("an importance for each column", async () => {
    const importance = Float64Array.from(specGaussian(8, options.config.C), (x) => x * x + 0.001);
    await expectTheSame({ blocks: specGaussian(9, n), importance }, options);
  });

  test("fewer seeds", async () => {
    await expectTheSame({ blocks: specGaussian(10, n / 2) }, { ...options, nSeeds: 3000 });
  });
});

test("degenerate blocks", async () => {
  for (const bits of [4, 3] as const) {
    const { C } = lfsrConfig({ bits });
    const ramp = Array.from({ length: C }, (_, c) => c);
    const rows = [
      ramp.map(() => 0),
      ramp.map(() => -0),
      ramp.map(() => 1),
      ramp.map(() => -0.0375),
      ramp.map((c) => Number(c === 2)),
      ramp.map((c) => (-1) ** c),
      ramp.map((c) => 1e-45 * (c + 1)),
      ramp.map((c) => 1.1754944e-38 * (c + 1)),
      ramp.map((c) => 0.01 * Math.cos(c) + (c === C - 1 ? 40 : 0)),
      ramp.map((c) => 2 ** -c),
      ramp.map((c) => (c === 0 ? 2 ** -30 : 0)),
    ];
    for (const expBias of bits === 4 ? [-8, -13, -30] : [-13]) {
      await expectTheSame({ blocks: Float32Array.from(rows.flat()) }, optionsOf({ bits }, { expBias }));
    }
  }
});

test.each([
  ["(8, 3, 12)", { C: 8, P: 3, K: 12 }],
  ["(12, 4, 11)", { C: 12, P: 4, K: 11 }],
  ["(6, 2, 12), decimated", { C: 6, P: 2, K: 12, decimation: 8 }],
] as const)("%s: octave by octave below the window, where at last only zeros are left", async (_, config) => {
  const { C } = config;
  const octaves = Array.from({ length: 13 }, (_, i) => specGaussian(60 + i, 3 * C).map((w) => w * 2 ** -i));
  const blocks = Float32Array.from(octaves.flatMap((values) => [...values]));
  const importance = Float64Array.from({ length: C }, (_, c) => 1 + 9 * (c % 3));
  for (const batch of [{ blocks }, { blocks, importance }]) {
    await expectTheSame(batch, optionsOf(config, { expBias: 0 }));
  }
  const { q } = await reference.search({ blocks: blocks.slice(-C) }, optionsOf(config, { expBias: 0 }));
  expect(q.every((coefficient) => coefficient === 0)).toBe(true);
});

test("magnitudes outside the window, up to where decoding would overflow", async () => {
  const config = { C: 6, P: 2, K: 9 };
  const blocks = specGaussian(11, 6 * 20);
  for (const [factor, expBias] of [
    [1e-7, -8],
    [1e6, -8],
    [1e37, 112],
    [1e-37, -118],
  ] as const) {
    const most = scaled(blocks, factor).map((w) => Math.max(-3.4028235e38, Math.min(3.4028235e38, w)));
    await expectTheSame({ blocks: most }, optionsOf(config, { expBias }));
  }
  const largest = Float32Array.from(blocks, (w) => Math.sign(w) * 3.4028235e38);
  await expectTheSame({ blocks: largest }, optionsOf(config, { expBias: 112 }));
});

test("any configuration, any block", async () => {
  const batch = fc
    .record({ K: fc.integer({ min: 2, max: 10 }), P: fc.integer({ min: 1, max: 6 }), more: fc.nat(11) })
    .chain(({ K, P, more }) =>
      fc.record({
        config: fc.constant({ C: P + more, P, K }),
        weights: fc.array(fc.float({ min: -8, max: 8, noNaN: true }), { minLength: P + more, maxLength: 90 }),
        decimation: fc.constantFrom(1, 2, 4, 8),
        exponentRule: fc.constantFrom("best", "fit", "paper-literal" as const),
        expBias: fc.integer({ min: -20, max: 0 }),
        nSeeds: fc.integer({ min: 1, max: 2 ** K - 1 }),
        importance: fc.constantFrom("none", "shared", "own"),
      }),
    );
  await fc.assert(
    fc.asyncProperty(batch, async ({ config, weights, decimation, importance, ...more }) => {
      const { C, K } = config;
      const isCoprime = K > 3 || decimation < 2 ** K - 1;
      const options = optionsOf({ ...config, decimation: isCoprime ? decimation : 1 }, more);
      const blocks = Float32Array.from(weights.slice(0, Math.floor(weights.length / C) * C));
      const h = Float64Array.from(
        { length: importance === "own" ? blocks.length : C },
        (_, i) => 0.01 + ((i * 7) % 5),
      );
      await expectTheSame({ blocks, importance: importance === "none" ? undefined : h }, options);
    }),
    { numRuns: 150 },
  );
});

test("an importance for each weight", async () => {
  const blocks = specGaussian(12, 5 * 8);
  const importance = Float64Array.from(specGaussian(13, 5 * 8), (x) => x * x + 0.01);
  await expectTheSame({ blocks, importance }, optionsOf({ bits: 4 }));
});

test("what the module does not take goes to the reference", async () => {
  await expectTheSame(
    { blocks: specGaussian(14, 40) },
    optionsOf({ C: 10, P: 9, K: 6 }, { exponentRule: "fit" }),
  );
});

test("stops between tiles when aborted", async () => {
  const controller = new AbortController();
  const options = optionsOf({ bits: 4 }, { signal: controller.signal });
  const searching = (builds[0] as (typeof builds)[0]).search.search(
    { blocks: specGaussian(1, 80_000) },
    options,
  );
  setTimeout(() => controller.abort(new Error("enough")), 20);
  await expect(searching).rejects.toThrow("enough");
});
