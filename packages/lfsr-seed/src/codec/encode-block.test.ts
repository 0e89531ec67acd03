import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { loadGolden } from "../../../../tools/testing/index.ts";
import { hexOf, specGaussian } from "../../test/spec-data.ts";
import { basisMatrix, integerBasis } from "./basis-matrix.ts";
import { lfsrConfig } from "./config.ts";
import { encodeBlock } from "./encode-block.ts";
import type { ExponentRule } from "./exponent-rule.ts";
import { createSeedLibrary } from "./seed-library.ts";

const libraries = {
  "4bit": createSeedLibrary(lfsrConfig({ bits: 4 })),
  "3bit": createSeedLibrary(lfsrConfig({ bits: 3 })),
  tiny: createSeedLibrary(lfsrConfig({ C: 4, P: 2, K: 8 })),
};
const wA = [0.5, -1.25, 0.75, 2, -0.125, 0.3125, -1.5, 1];
const wC = [...wA, 0.25, -0.625, 1.125, -0.875];

/** [seed, exponent, q, error], as the specification lists them. */
function codeOf(w: ArrayLike<number>, name: keyof typeof libraries, exponentRule: ExponentRule) {
  const { seed, exponent, q, error } = encodeBlock(w, libraries[name], { exponentRule });
  return [seed, exponent, [...q], Number(error.toPrecision(12))];
}

describe("the vectors of section 11", () => {
  test.each(["fit", "best"] as const)("blocks A, C and the tiny one by rule %s", (rule) => {
    expect(codeOf(wA, "4bit", rule)).toEqual([5222, -2, [-3, -7, 7], 0.167520181612]);
    expect(codeOf(wC, "3bit", rule)).toEqual([23190, -2, [2, -2, -1, 7], 0.65632193585]);
    expect(codeOf(wA.slice(0, 4), "tiny", rule)).toEqual([53, -2, [-3, -6], 0.0865715481431]);
    expect(
      codeOf(
        wA.map((w) => w / 64),
        "4bit",
        rule,
      ),
    ).toEqual([5222, -8, [-3, -7, 7], 4.08984818389e-5]);
  });

  test("the same as printed in the paper", () => {
    expect(codeOf(wA, "4bit", "paper-literal")).toEqual([5222, 0, [-1, -2, 2], 0.44563792564]);
    expect(codeOf(wC, "3bit", "paper-literal")).toEqual([20720, 0, [1, -1, 0, -1], 1.17201317635]);
    expect(codeOf(wA.slice(0, 4), "tiny", "paper-literal")).toEqual([176, 0, [1, 1], 0.136299522599]);
  });

  test("below the window's floor", () => {
    expect(
      codeOf(
        wA.map((w) => w / 1024),
        "4bit",
        "best",
      ),
    ).toEqual([14041, -8, [1, 0, -1], 1.91703305429e-6]);
  });

  test("the first Gaussian blocks; of a tie the lower seed", () => {
    const values = specGaussian(12345, 16);
    expect(hexOf(values.subarray(0, 8))).toBe(
      "bf798811 4027777e 3ef3e909 bf8612cc bf2fa2d2 3f79ffad 3d24e4ee bec75cfe",
    );
    const [first, second] = [values.subarray(0, 8), values.subarray(8)];
    for (const rule of ["fit", "best"] as const) {
      expect(codeOf(first, "4bit", rule)).toEqual([42341, -2, [-4, -8, 6], 0.25587658217]);
    }
    expect(codeOf(second, "4bit", "fit")).toEqual([22512, -1, [0, 5, 2], 0.382991098537]);
    expect(codeOf(second, "4bit", "best")).toEqual([22512, -1, [0, 5, 3], 0.361827540956]);
  });
});

test("constant blocks of 1 and 3 are exact, 5, 7 and 11 are not", () => {
  const constant = (w: number) => new Array<number>(8).fill(w);
  expect(codeOf(constant(1), "4bit", "best")).toEqual([0x4d36, -1, [0, -2, 4], 0]);
  expect(codeOf(constant(3), "4bit", "best").slice(1)).toEqual([0, [0, -3, 6], 0]);
  expect(codeOf(constant(5), "4bit", "best")[3]).toBe(0.319208830922);
  expect(codeOf(constant(7), "4bit", "best")[3]).toBe(0.520832937943);
  expect(codeOf(constant(11), "4bit", "best")[3]).toBe(1.54700243362);
});

test("nearly dependent bases are left out: 511, 93 and none", () => {
  expect(65535 - libraries["4bit"].seeds.length).toBe(511);
  expect(65535 - libraries["3bit"].seeds.length).toBe(93);
  expect(255 - libraries.tiny.seeds.length).toBe(0);
});

describe.each(["4bit", "3bit"] as const)("the goldens, %s", async (name) => {
  const golden = await loadGolden(`lfsr-seed/blocks-${name}`);
  const degenerate = await loadGolden("lfsr-seed/degenerate");
  const library = libraries[name];
  const { C, P } = library.config;
  const data = (from: typeof golden, key: string) => from.tensors.get(key)?.data ?? new Float32Array();

  test.each([
    ["gauss", "best"],
    ["gauss", "fit"],
    ["gauss", "literal"],
    ["heavy", "best"],
    ["heavy", "fit"],
    ["heavy", "literal"],
  ])("64 blocks of %s by rule %s", (kind, rule) => {
    const w = data(golden, `input.${kind}`);
    const key = `output.${kind}.${rule}`;
    for (let i = 0; i < 64; i++) {
      const code = encodeBlock(w.subarray(i * C, (i + 1) * C), library, {
        exponentRule: rule === "literal" ? "paper-literal" : rule === "fit" ? "fit" : "best",
      });
      expect(code.seed).toBe(data(golden, `${key}.seeds`)[i]);
      expect(code.exponent).toBe(data(golden, `${key}.exponents`)[i]);
      expect([...code.q]).toEqual([...data(golden, `${key}.q`).subarray(i * P, (i + 1) * P)]);
      expect(code.error).toBe(golden.json.facts.errors[`${kind}.${rule}`][i]);
    }
  });

  test.each(["paper", "auto"])("degenerate blocks in the %s window", (window) => {
    const w = data(degenerate, `input.${name}`);
    const key = `output.${name}.${window}`;
    degenerate.json.config.cases.forEach((label: string, i: number) => {
      const expBias = data(degenerate, `${key}.expBias`)[i] as number;
      const code = encodeBlock(w.subarray(i * C, (i + 1) * C), library, { expBias });
      expect(code.seed, label).toBe(data(degenerate, `${key}.seeds`)[i]);
      expect(code.exponent, label).toBe(data(degenerate, `${key}.exponents`)[i]);
      expect([...code.q], label).toEqual([...data(degenerate, `${key}.q`).subarray(i * P, (i + 1) * P)]);
      expect(code.error, label).toBe(degenerate.json.facts.errors[`${name}.${window}`][i]);
    });
  });
});

const small = fc.array(fc.double({ min: -4, max: 4, noNaN: true }), { minLength: 4, maxLength: 4 });

test("leaving seeds out that cannot win changes nothing", () => {
  fc.assert(
    fc.property(small, fc.constantFrom("paper-literal", "fit", "best"), (w, exponentRule: ExponentRule) => {
      const pruned = encodeBlock(w, libraries.tiny, { exponentRule });
      expect(encodeBlock(w, libraries.tiny, { exponentRule, exhaustive: true })).toEqual(pruned);
    }),
  );
  const [wide] = [specGaussian(5, 8)];
  const pruned = encodeBlock(wide, libraries["4bit"], { exponentRule: "fit" });
  expect(encodeBlock(wide, libraries["4bit"], { exponentRule: "fit", exhaustive: true })).toEqual(pruned);
});

test("the error is that of the decoded block", () => {
  fc.assert(
    fc.property(small, (w) => {
      const { seed, exponent, q, error } = encodeBlock(w, libraries.tiny);
      const basis = basisMatrix(seed, libraries.tiny.config); // [4, 2]
      const decoded = w.map((_, c) =>
        q.reduce((sum, qp, p) => sum + (basis[c * 2 + p] as number) * qp * 2 ** exponent, 0),
      );
      const again = w.reduce((sum, wc, c) => sum + (wc - (decoded[c] as number)) ** 2, 0);
      expect(Math.abs(error - again)).toBeLessThan(1e-12);
    }),
  );
});

test("never worse by a finer rule, and never worse than nothing", () => {
  fc.assert(
    fc.property(small, (w) => {
      const error = (exponentRule: ExponentRule) => encodeBlock(w, libraries.tiny, { exponentRule }).error;
      const norm = w.reduce((sum, x) => sum + x * x, 0);
      expect(error("best")).toBeLessThanOrEqual(error("fit"));
      expect(error("fit")).toBeLessThanOrEqual(norm);
    }),
  );
});

test("never worse with more seeds", () => {
  const { config } = libraries.tiny;
  const few = [1, 2, 5, 17, 100, 254].map((nSeeds) => createSeedLibrary(config, { nSeeds }));
  fc.assert(
    fc.property(small, (w) => {
      const errors = [...few, libraries.tiny].map((library) => encodeBlock(w, library).error);
      expect(errors).toEqual([...errors].sort((a, b) => b - a));
    }),
  );
});

test("twice the weights: the same code, one exponent higher", () => {
  fc.assert(
    fc.property(small, fc.integer({ min: -3, max: 3 }), (w, k) => {
      fc.pre(Math.max(...w.map(Math.abs)) > 0.5);
      const one = encodeBlock(w, libraries.tiny, { expBias: -20 });
      const other = encodeBlock(
        w.map((x) => x * 2 ** k),
        libraries.tiny,
        { expBias: -20 + k },
      );
      expect(other).toEqual({ ...one, exponent: one.exponent + k, error: one.error * 4 ** k });
    }),
  );
});

test("importances of one change nothing, and a power of two for all scales the error", () => {
  fc.assert(
    fc.property(small, fc.constantFrom(0.25, 1, 4), (w, h) => {
      const importance = new Float64Array(4).fill(h);
      const library = createSeedLibrary(libraries.tiny.config, { importance });
      const plain = encodeBlock(w, libraries.tiny);
      expect(encodeBlock(w, library)).toEqual({ ...plain, error: plain.error * h });
    }),
    { numRuns: 20 },
  );
});

test("importance minimizes the weighted error: exhaustive search finds no better code", () => {
  const importance = Float64Array.of(1, 10, 0.1, 3);
  const library = createSeedLibrary(libraries.tiny.config, { importance });
  fc.assert(
    fc.property(small, (w) => {
      const code = encodeBlock(w, library);
      expect(encodeBlock(w, library, { exhaustive: true })).toEqual(code);
      const plain = encodeBlock(w, libraries.tiny);
      const basis = basisMatrix(plain.seed, library.config);
      const weighted = w.reduce((sum, wc, c) => {
        const decoded = plain.q.reduce(
          (s, q, p) => s + (basis[2 * c + p] as number) * q * 2 ** plain.exponent,
          0,
        );
        return sum + (importance[c] as number) * (wc - decoded) ** 2;
      }, 0);
      // "best" rounds to neighbours, so the plain code may be a little better; not by much.
      expect(code.error).toBeLessThanOrEqual(weighted * 1.25 + 1e-12);
    }),
  );
});

test("the reference's bases", async () => {
  const golden = await loadGolden("lfsr-seed/bases");
  for (const { name, seed, C, P, K } of golden.json.config.bases) {
    const config = lfsrConfig({ C, P, K });
    expect([...integerBasis(seed, config)]).toEqual([
      ...(golden.tensors.get(`output.S.${name}`)?.data ?? []),
    ]);
    const u = Float32Array.from(basisMatrix(seed, config));
    expect([...u]).toEqual([...(golden.tensors.get(`output.U.${name}`)?.data ?? [])]);
  }
});

test("says what does not fit", () => {
  expect(() => encodeBlock([1, 2], libraries.tiny)).toThrow("w has 2 weights, expected C = 4");
  expect(() => createSeedLibrary(libraries.tiny.config, { nSeeds: 256 })).toThrow("nSeeds is 256");
  expect(() => basisMatrix(0, libraries.tiny.config)).toThrow("seed is 0");
});
