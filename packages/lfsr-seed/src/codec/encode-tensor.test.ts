import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { loadGolden } from "../../../../tools/testing/index.ts";
import { specGaussian } from "../../test/spec-data.ts";
import type { BlockSearch } from "./block-search.ts";
import { bitsPerWeight, lfsrConfig } from "./config.ts";
import { decodeTensor } from "./decode.ts";
import { type EncodeTensorOptions, encodeTensor } from "./encode-tensor.ts";
import { payloadBytes } from "./lfsr-tensor.ts";
import { referenceSearch } from "./reference-search.ts";

const tiny = lfsrConfig({ C: 4, P: 2, K: 8 });

/** The reference search in batches of another size. */
function searchOf(batchBlocks: number): BlockSearch {
  return { ...referenceSearch(), batchBlocks };
}

describe.each([4, 3] as const)("the goldens, %i bits", async (bits) => {
  const golden = await loadGolden(`lfsr-seed/matrix-${bits}bit`);
  const data = (key: string) => golden.tensors.get(key)?.data ?? new Float32Array();

  test.each([
    ["ragged_rows", { layout: "rows" }],
    ["ragged_flat", { layout: "flat" }],
    ["matrix", {}],
    ["matrix_paper_window", { expBias: "paper" }],
  ] as const)("%s: bytes, weights, statistics", async (key, options: EncodeTensorOptions) => {
    const isRagged = key.startsWith("ragged");
    const w = Float32Array.from(data(isRagged ? "input.ragged" : "input.matrix"));
    const encoded = await encodeTensor(w, isRagged ? [5, 20] : [48, 96], { bits, ...options });
    const facts = golden.json.facts[key];
    expect(encoded.expBias).toBe(facts.expBias);
    expect([...encoded.seeds]).toEqual([...data(`output.${key}.lfsr_seeds`)]);
    expect([...encoded.codes]).toEqual([
      ...data(`output.${key}.${bits === 4 ? "lfsr_words" : "lfsr_coeffs"}`),
    ]);
    expect([...encoded.exponents]).toEqual(bits === 4 ? [] : [...data(`output.${key}.lfsr_exponents`)]);
    expect(decodeTensor(encoded)).toEqual(data(`output.${key}.weights`));
    expect(payloadBytes(encoded)).toBe(facts.payloadBytes);
    const { stats } = encoded;
    expect(stats).toMatchObject({ weights: w.length, blocks: facts.blocks, zeroBlocks: 0, ceilingShare: 0 });
    expect(stats.snrDb).toBeCloseTo(facts.snrDb, 9);
    expect(stats.squaredError / w.length).toBeCloseTo(facts.mse, 12);
    expect(stats.weightedError).toBe(stats.squaredError);
    expect(Math.round(stats.floorShare * facts.blocks)).toBe(facts.atExponentFloor);
  });
});

test("the 2 x 16 tensor of section 11", async () => {
  const w = Float32Array.from({ length: 32 }, (_, i) => (((37 * i + 11) % 64) - 32) / 64);
  const hex = (bytes: Uint8Array) => [...bytes].map((b) => b.toString(16).padStart(2, "0")).join(" ");
  const bytesOf = async (options: EncodeTensorOptions) => {
    const { seeds, codes, exponents, stats } = await encodeTensor(w, [2, 16], { expBias: -8, ...options });
    return [hex(new Uint8Array(seeds.buffer)), hex(codes), hex(exponents), stats.squaredError] as const;
  };
  const best = await bytesOf({ bits: 4 });
  expect(best.slice(0, 2)).toEqual(["c7 1a f3 c8 f1 85 3f 13", "75 c4 14 da a4 5c 45 0d"]);
  expect(best[3]).toBeCloseTo(0.0311408271661, 7); // of what decodes, in float32
  const fit = await bytesOf({ bits: 4, exponentRule: "fit" });
  expect(fit.slice(0, 2)).toEqual(["c7 1a f3 c8 f1 85 3f 13", "75 c4 14 db a4 5d 74 0a"]);
  expect(fit[3]).toBeCloseTo(0.0423335799834, 7);
  const three = await bytesOf({ bits: 3 });
  expect(three.slice(0, 3)).toEqual(["53 cf cb d0 d9 cb 9d 83", "46 1c 84 e6 27 4d 7d 7d", "44 44"]);
});

const matrix = fc
  .record({ rows: fc.integer({ min: 0, max: 5 }), cols: fc.integer({ min: 0, max: 11 }) })
  .chain(({ rows, cols }) =>
    fc
      .array(fc.float({ min: -2, max: 2, noNaN: true }), { minLength: rows * cols, maxLength: rows * cols })
      .map((values) => ({ shape: [rows, cols], values: Float32Array.from(values) })),
  );
const layout = fc.constantFrom("rows", "flat" as const);

test("the size of the batches changes nothing, with importances too", async () => {
  await fc.assert(
    fc.asyncProperty(
      matrix,
      layout,
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 0, max: 2 }),
      async (m, l, batch, kind) => {
        const length = [0, m.shape[1], m.values.length][kind] as number;
        const importance =
          kind === 0 ? undefined : Float32Array.from({ length }, (_, i) => (i % 3) + (i % 2) * 5);
        const options = { config: tiny, layout: l, importance } as const;
        const whole = await encodeTensor(m.values, m.shape, options);
        const parts = await encodeTensor(m.values, m.shape, { ...options, search: searchOf(batch) });
        const { weightedError, weightedNorm, weightedSnrDb, ...stats } = whole.stats; // sums in another order where columns go first
        expect({ ...parts, stats: undefined }).toEqual({ ...whole, stats: undefined });
        expect(parts.stats.worstBlocks).toEqual(stats.worstBlocks);
        expect(parts.stats.weightedError).toBeCloseTo(weightedError, 9);
        expect(parts.stats.weightedNorm).toBeCloseTo(weightedNorm, 9);
        expect(parts.stats.weightedSnrDb).toBeCloseTo(weightedSnrDb, 9);
      },
    ),
    { numRuns: 40 },
  );
});

test("the statistics are those of the decoded weights", async () => {
  await fc.assert(
    fc.asyncProperty(matrix, layout, async ({ values, shape }, l) => {
      const importance = Float32Array.from(values, (_, i) => (i * 7) % 5);
      const encoded = await encodeTensor(values, shape, { config: tiny, layout: l, importance });
      const decoded = decodeTensor(encoded);
      const sum = (term: (i: number) => number) => values.reduce((total, _, i) => total + term(i), 0);
      const miss = (i: number) => (values[i] as number) - (decoded[i] as number);
      expect(encoded.stats.squaredNorm).toBeCloseTo(
        sum((i) => (values[i] as number) ** 2),
        9,
      );
      expect(encoded.stats.squaredError).toBeCloseTo(
        sum((i) => miss(i) ** 2),
        9,
      );
      expect(encoded.stats.weightedError).toBeCloseTo(
        sum((i) => (importance[i] as number) * miss(i) ** 2),
        9,
      );
    }),
    { numRuns: 30 },
  );
});

test("importances: ones are none; heavy columns lose less", async () => {
  const w = specGaussian(3, 40 * 8);
  const plain = await encodeTensor(w, [40, 8], { config: tiny });
  const ones = await encodeTensor(w, [40, 8], { config: tiny, importance: new Float32Array(8).fill(1) });
  expect(ones.seeds).toEqual(plain.seeds);
  expect(ones.codes).toEqual(plain.codes);
  expect(ones.exponents).toEqual(plain.exponents);

  const heavy = await encodeTensor(w, [40, 8], { config: tiny, importance: [1, 100, 1, 1, 1, 1, 100, 1] });
  const missOf = (t: typeof plain, col: number) => {
    const decoded = decodeTensor(t);
    return w.reduce((sum, x, i) => (i % 8 === col ? sum + (x - (decoded[i] as number)) ** 2 : sum), 0);
  };
  expect(missOf(heavy, 1)).toBeLessThan(missOf(plain, 1) / 2);
  expect(missOf(heavy, 6)).toBeLessThan(missOf(plain, 6) / 2);
  const weighted = missOf(plain, 1) * 100 + missOf(plain, 6) * 100;
  expect(heavy.stats.weightedError).toBeLessThan(weighted);
});

test("a small tensor gets its own window: sigma 1e-3 is coded as well as sigma 1", async () => {
  const w = specGaussian(9, 512);
  const snr = async (scale: number, expBias: "auto" | "paper") =>
    (
      await encodeTensor(
        w.map((x) => x * scale),
        [16, 32],
        { expBias },
      )
    ).stats.snrDb;
  const one = await snr(1, "auto");
  expect(Math.abs((await snr(1e-3, "auto")) - one)).toBeLessThan(0.1);
  expect(await snr(1e-3, "paper")).toBeLessThan(one - 8);
  expect(await snr(2 ** -12, "auto")).toBeCloseTo(one, 12); // a power of two moves the window alone
});

test("no weights, zeros, and more than the window holds", async () => {
  const none = await encodeTensor(new Float32Array(0), [0, 8], {});
  expect(none.stats).toMatchObject({ blocks: 0, weights: 0, snrDb: Infinity, worstBlocks: [] });
  expect(decodeTensor(none).length).toBe(0);

  const zeros = await encodeTensor(new Float32Array(16), [2, 8], {});
  expect(zeros).toMatchObject({ expBias: -8, stats: { zeroBlocks: 2, floorShare: 0 } });
  expect([...zeros.seeds, ...zeros.codes]).toEqual([1, 1, 0, 0, 0, 0]);

  const huge = await encodeTensor(Float32Array.of(1e6, -1e6, 1e6, 1), [1, 4], {
    config: tiny,
    expBias: 0,
  });
  expect(huge.stats.ceilingShare).toBe(1);
});

test("bits per weight: the payload is exact where rows divide", async () => {
  const w = specGaussian(1, 96);
  for (const bits of [3, 4, 4.5] as const) {
    const encoded = await encodeTensor(w, [4, 24], { bits, nSeeds: 16 });
    expect((payloadBytes(encoded) * 8) / 96).toBe(bitsPerWeight(encoded.config));
  }
});

test("says which weight is not finite, and what else does not fit", async () => {
  const w = new Float32Array(16);
  const encode = (data: Float32Array, options: EncodeTensorOptions = {}) =>
    encodeTensor(data, [2, 8], { name: "layers.0.weight", ...options });
  for (const bad of [NaN, Infinity, -Infinity]) {
    const data = w.slice();
    data[11] = bad;
    await expect(encode(data)).rejects.toThrow(
      `weight 11 of layers.0.weight is ${bad}, expected a finite number`,
    );
  }
  await expect(encode(w.slice(1))).rejects.toThrow(
    "layers.0.weight has 15 weights, expected 16 for shape [2,8]",
  );
  await expect(encode(w, { expBias: -112 })).rejects.toThrow(
    "expBias is -112, expected an integer in [-111, 112]",
  );
  await expect(encode(w, { nSeeds: 0 })).rejects.toThrow("nSeeds is 0, expected an integer in [1, 65535]");
  await expect(encode(w, { importance: [1, 2] })).rejects.toThrow(
    "importance of layers.0.weight has 2 numbers, expected 16",
  );
  await expect(encode(w, { importance: new Float32Array(8).fill(-1) })).rejects.toThrow(
    "importance[0] of layers.0.weight is -1",
  );
  await expect(encode(w, { config: lfsrConfig({ C: 8, P: 3, K: 21 }) })).rejects.toThrow(
    "K is 21, expected at most 20",
  );
  // @ts-expect-error a rule that does not exist
  await expect(encode(w, { exponentRule: "ceil" })).rejects.toThrow('exponentRule is "ceil"');
});

test("stops when told to, between blocks; reports progress to the end", async () => {
  const w = specGaussian(2, 64 * 8);
  const controller = new AbortController();
  const reason = new Error("enough");
  const running = encodeTensor(w, [64, 8], { signal: controller.signal, search: referenceSearch() });
  setTimeout(() => controller.abort(reason), 30);
  await expect(running).rejects.toBe(reason);

  const seen: number[] = [];
  await encodeTensor(w, [64, 8], {
    ...{ config: tiny, name: "w", search: searchOf(16) },
    onProgress: ({ done, total, unit }) => seen.push(done / (total ?? 0)) && expect(unit).toBe("weights"),
  });
  expect(seen.at(-1)).toBe(1);
});

test("the search has its next batch before the last is counted; the last one to fail is told", async () => {
  const w = specGaussian(2, 20 * 4);
  const begun: number[] = [];
  let waiting = 0;
  let most = 0;
  const search: BlockSearch = {
    batchBlocks: 4,
    async search(batch, options) {
      begun.push(batch.blocks.length / 4);
      most = Math.max(most, ++waiting);
      await new Promise((resolve) => setTimeout(resolve, 2));
      waiting--;
      return referenceSearch().search(batch, options);
    },
  };
  const encoded = await encodeTensor(w, [20, 4], { config: tiny, search });
  expect(begun).toEqual([4, 4, 4, 4, 4]);
  expect(most).toBe(2);
  expect(encoded.seeds).toEqual(
    (await encodeTensor(w, [20, 4], { config: tiny, search: searchOf(7) })).seeds,
  );

  let calls = 0;
  const failing: BlockSearch = {
    ...search,
    search: (...batch) => (++calls === 5 ? Promise.reject(new Error("broken")) : search.search(...batch)),
  };
  await expect(encodeTensor(w, [20, 4], { config: tiny, search: failing })).rejects.toThrow("broken");
});
