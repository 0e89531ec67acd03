import fc from "fast-check";
import { expect, test } from "vitest";
import { loadGolden } from "../../../../tools/testing/index.ts";
import { hexOf } from "../../test/spec-data.ts";
import { integerBasis } from "./basis-matrix.ts";
import { readBlockCode, writeNibbles } from "./block-code.ts";
import { type LfsrConfig, lfsrConfig } from "./config.ts";
import { decodeRows, decodeTensor } from "./decode.ts";
import { blockGrid, emptyPayload, type LfsrLayout, type LfsrTensor } from "./lfsr-tensor.ts";

interface Code {
  seed: number;
  exponent: number;
  q: number[];
}

/** A tensor of given codes. */
function tensorOf(
  codes: Code[],
  config: LfsrConfig,
  expBias = -8,
  shape?: number[],
  layout: LfsrLayout = "rows",
) {
  const tensor: LfsrTensor = {
    ...{ config, shape: shape ?? [codes.length, config.C], layout, expBias, sourceDtype: "F32" },
    ...emptyPayload(codes.length, config),
  };
  codes.forEach(({ seed, exponent, q }, i) => {
    tensor.seeds[i] = seed;
    writeNibbles(tensor, i, exponent - expBias, Int8Array.from(q));
  });
  return tensor;
}

/** Decoding as the specification writes it. */
function slowly({ seed, exponent, q }: Code, config: LfsrConfig): number[] {
  const basis = integerBasis(seed, config);
  const scale = Math.fround(1 / (2 ** (config.K - 1) - 1)) * 2 ** exponent;
  return Array.from({ length: config.C }, (_, c) => {
    const isum = q.reduce((sum, qp, p) => sum + (basis[c * config.P + p] as number) * qp, 0);
    return Math.fround(Math.fround(isum) * scale);
  });
}

test("the vectors of section 11", () => {
  const config = lfsrConfig({ bits: 4 });
  const bits = (seed: number, exponent: number, q: number[]) =>
    hexOf(decodeTensor(tensorOf([{ seed, exponent, q }], config)));
  expect(bits(0xace1, -6, [3, -5, 7])).toBe(
    "3d88a011 3d2a2754 bc4aef96 3d21a843 bd73cce8 3d098593 bd76d3ee bd836e47",
  );
  expect(bits(1, -8, [-8, 7, 1])).toBe(
    "bc880110 3cdf01be ba040108 bc110922 3c3de07c bcbc2478 3a87bd0f bcaef19e",
  );
  expect(bits(5222, -2, [-3, -7, 7])).toBe(
    "3f27c750 bfa98553 3f5da2bb 3fd9dc34 3d6781cf 3eb39f67 bfbe64fd 3f843588",
  );
  const three = lfsrConfig({ bits: 3 });
  expect(hexOf(decodeTensor(tensorOf([{ seed: 23190, exponent: -2, q: [2, -2, -1, 7] }], three)))).toBe(
    "3e5333a6 bfb65c2d 3f413482 3fd20aa4 be9b8237 3ee649cd bfbc6979 3f407181 3ed80db0 bf80a1c1 3f77edf0 bf9842f1",
  );
});

test("two codes of one block: the next seed with its coefficients moved", () => {
  const config = lfsrConfig({ bits: 4 });
  const tie = tensorOf(
    [
      { seed: 0xace1, exponent: 0, q: [0, 2, -3] },
      { seed: 0xd670, exponent: 0, q: [2, -3, 0] },
    ],
    config,
  );
  const w = decodeTensor(tie);
  expect([...w.subarray(0, 8)]).toEqual([...w.subarray(8)]);
  expect([...w.subarray(0, 8)].map((x) => Math.round(x * 32767))).toEqual([
    -35428, -41291, 48086, -63620, 37103, -64993, 36933, 57864,
  ]);
});

test("the reference's extreme codes, and its degenerate blocks", async () => {
  const bases = await loadGolden("lfsr-seed/bases");
  const data = (from: typeof bases, key: string) => from.tensors.get(key)?.data ?? new Float32Array();
  const degenerate = await loadGolden("lfsr-seed/degenerate");
  const sets = [
    { from: bases, name: "input.", want: "output.weights", bits: 4 as const },
    ...(["4bit", "3bit"] as const).flatMap((bits) =>
      ["paper", "auto"].map((window) => ({
        from: degenerate,
        name: `output.${bits}.${window}.`,
        want: `output.${bits}.${window}.weights`,
        bits: bits === "4bit" ? (4 as const) : (3 as const),
      })),
    ),
  ];
  for (const { from, name, want, bits } of sets) {
    const config = lfsrConfig({ bits });
    const [seeds, exponents, q] = ["seeds", "exponents", "q"].map((key) => data(from, name + key));
    seeds?.forEach((seed, i) => {
      const exponent = exponents?.[i] as number;
      const code = { seed, exponent, q: [...(q?.subarray(i * config.P, (i + 1) * config.P) ?? [])] };
      const expBias = from === bases ? exponent : (data(from, `${name}expBias`)[i] as number);
      const w = decodeTensor(tensorOf([code], config, expBias));
      expect(w).toEqual(Float32Array.from(data(from, want).subarray(i * config.C, (i + 1) * config.C)));
    });
  }
});

test("every seed, by stream tables and by steps", () => {
  for (const bits of [4, 3, 4.5] as const) {
    const config = lfsrConfig({ bits });
    const codes = Array.from({ length: 65535 }, (_, i) => ({
      seed: i + 1,
      exponent: (i % 16) - 8,
      q: Array.from({ length: config.P }, (_, p) => ((i >> (p * 3)) % 16) - 8),
    }));
    const w = decodeTensor(tensorOf(codes, config));
    for (let i = 0; i < 65535; i += 13) {
      const code = codes[i] as Code;
      expect(w.subarray(i * config.C, (i + 1) * config.C)).toEqual(Float32Array.from(slowly(code, config)));
    }
    // All of them against every second state of a register run at half speed: other code, same states.
    const stepped = decodeTensor(tensorOf(codes, { ...config, decimation: 65536 })); // 65536 steps are one
    expect(stepped).toEqual(w);
  }
});

const anyConfig = fc
  .record({
    K: fc.integer({ min: 2, max: 24 }),
    C: fc.integer({ min: 1, max: 13 }),
    P: fc.integer({ min: 1, max: 7 }),
    decimation: fc.constantFrom(1, 1, 2, 8),
  })
  .filter(({ C, P, K }) => P <= C && 2 ** K > 9)
  .map((options) => lfsrConfig(options));

const anyTensor = anyConfig.chain((config) =>
  fc
    .record({
      rows: fc.integer({ min: 0, max: 4 }),
      cols: fc.integer({ min: 0, max: 30 }),
      layout: fc.constantFrom<LfsrLayout>("rows", "flat"),
      expBias: fc.integer({ min: config.K - 127, max: 112 }),
    })
    .chain(({ rows, cols, layout, expBias }) => {
      const { blocks } = blockGrid("test", [rows, cols], config.C, layout);
      const code = fc.record({
        seed: fc.integer({ min: 1, max: 2 ** config.K - 1 }),
        exponent: fc.integer({ min: expBias, max: expBias + 15 }),
        q: fc.array(fc.integer({ min: -8, max: 7 }), { minLength: config.P, maxLength: config.P }),
      });
      return fc
        .array(code, { minLength: blocks, maxLength: blocks })
        .map((codes) => ({ codes, tensor: tensorOf(codes, config, expBias, [rows, cols], layout) }));
    }),
);

test("any configuration, shape and layout: as the specification says, rows on their own, codes back as they were", () => {
  fc.assert(
    fc.property(anyTensor, fc.nat(4), fc.nat(4), ({ codes, tensor }, a, b) => {
      const { config, shape, layout } = tensor;
      const [rows = 0, cols = 0] = shape;
      const { blocksPerRow } = blockGrid("test", shape, config.C, layout);
      const all = decodeTensor(tensor);
      const blocks = codes.map((code) => slowly(code, config));
      for (let i = 0; i < all.length; i++) {
        const [row, col] = [Math.floor(i / cols), i % cols];
        const at = layout === "flat" ? i : row * blocksPerRow * config.C + col;
        expect(all[i]).toBe(blocks[Math.floor(at / config.C)]?.[at % config.C]);
      }
      const [start, end] = [Math.min(a, b, rows), Math.min(Math.max(a, b), rows)];
      expect(decodeRows(tensor, { start, end })).toEqual(all.slice(start * cols, end * cols));
      codes.forEach((code, i) => {
        expect(readBlockCode(tensor, i)).toEqual({ ...code, q: Int8Array.from(code.q) });
      });
    }),
  );
});

test("says what is outside", () => {
  const tensor = tensorOf([{ seed: 1, exponent: 0, q: [1, 2, 3] }], lfsrConfig({ bits: 4 }));
  expect(() => decodeRows(tensor, { start: 0, end: 2 })).toThrow(
    "range is [0, 2), expected integers inside [0, 1)",
  );
  expect(() => decodeTensor(tensor, new Float32Array(7))).toThrow("into has 7 elements, expected 8");
  expect(() => readBlockCode(tensor, 1)).toThrow("block is 1, expected an integer in [0, 1)");
});
