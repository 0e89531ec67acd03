import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { murmur3 } from "./murmur3.ts";
import { Rng } from "./rng.ts";
import { Xoshiro128 } from "./xoshiro128.ts";

// Golden numbers: Python 3.11 with mmh3 (MurmurHash3_x86_128), xoshiro128** in Python integers, and mpmath at 40
// digits for the inverse normal. None of our code took part.

test("murmur3 matches mmh3", () => {
  expect(murmur3(new Uint8Array(0))).toEqual([0, 0, 0, 0]);
  expect(murmur3(new TextEncoder().encode("The quick brown fox jumps over the lazy dog"))).toEqual([
    789939139, 3975031911, 1568405100, 3857259820,
  ]);
  expect(murmur3(Uint8Array.from({ length: 17 }, (_, i) => i))).toEqual([
    1791597787, 899453963, 2920706989, 2725620561,
  ]);
});

test("xoshiro128 matches the definition in BigInt", () => {
  const mask = 0xffffffffn;
  const rotate = (x: bigint, by: bigint) => ((x << by) | (x >> (32n - by))) & mask;
  fc.assert(
    fc.property(
      fc.tuple(...Array.from({ length: 4 }, () => fc.integer({ min: 1, max: 2 ** 32 - 1 }))),
      (seed) => {
        const [a = 1, b = 1, c = 1, d = 1] = seed;
        const ours = new Xoshiro128([a, b, c, d]);
        const s = [BigInt(a), BigInt(b), BigInt(c), BigInt(d)] as [bigint, bigint, bigint, bigint];
        for (let i = 0; i < 50; i++) {
          const expected = (rotate((s[1] * 5n) & mask, 7n) * 9n) & mask;
          const t = (s[1] << 9n) & mask;
          s[2] ^= s[0];
          s[3] ^= s[1];
          s[1] ^= s[2];
          s[0] ^= s[3];
          s[2] ^= t;
          s[3] = rotate(s[3], 11n);
          expect(ours.next()).toBe(Number(expected));
        }
        expect(ours.state).toEqual(s.map(Number));
      },
    ),
    { numRuns: 20 },
  );
});

test("gives the golden streams", () => {
  expect(new Rng(42).save()).toEqual({
    algorithm: "xoshiro128**",
    key: [101977533, 1979780678, 589850687, 4001353669],
    state: [101977533, 1979780678, 589850687, 4001353669],
    splits: 0,
  });
  const bits = new Rng(42);
  expect(Array.from({ length: 5 }, () => bits.integer(2 ** 32))).toEqual([
    398534751, 3858283728, 2087030426, 2521972254, 870345676,
  ]);
  const uniform = new Rng(42);
  expect(Array.from({ length: 4 }, () => uniform.uniform())).toEqual([
    0.09279110206907004, 0.4859246357321174, 0.2026431437638473, 0.48490100967573224,
  ]);
  const normal = new Rng("hello");
  const golden = [
    -0.24713247462617013, 0.37891848035047226, -0.08528354798844354, 0.37929757099857286, -1.0034731828046923,
    1.1190639257491821,
  ];
  for (const z of golden) expect(Math.abs(normal.normal() - z)).toBeLessThan(1e-15);
});

test("gives the golden splits", () => {
  const rng = new Rng(42);
  expect(rng.split("dropout").integer(2 ** 32)).toBe(2291563618);
  expect(rng.split(7).integer(2 ** 32)).toBe(474118792);
  expect(rng.split().integer(2 ** 32)).toBe(1437843677);
  expect(rng.split().integer(2 ** 32)).toBe(1992559546);
});

describe("streams", () => {
  test("a split depends on the seed and the path alone", () => {
    const fresh = new Rng("run").split("augment").split(3);
    const used = new Rng("run");
    used.fillNormal(new Float32Array(100));
    used.split("init");
    const branch = used.split("augment");
    branch.uniform();
    expect(branch.split(3).save()).toEqual(fresh.save());
  });

  test("splitting draws nothing from the parent", () => {
    const rng = new Rng(1);
    rng.split();
    rng.split("x");
    expect(rng.uniform()).toBe(new Rng(1).uniform());
  });

  test("seeds, labels and counted splits never share a stream", () => {
    const first = new Set<number>();
    let count = 0;
    const add = (rng: Rng) => {
      first.add(rng.uniform());
      count += 1;
    };
    for (let i = 0; i < 500; i++) {
      add(new Rng(i));
      add(new Rng(String(i)));
      add(new Rng(-1 - i));
      add(new Rng("root").split(i));
      add(new Rng("root").split(String(i)));
    }
    const root = new Rng("root");
    for (let i = 0; i < 500; i++) add(root.split());
    expect(first.size).toBe(count);
  });

  test("parent and children are uncorrelated", () => {
    const parent = new Rng(5);
    const streams = [new Rng(5), parent.split(), parent.split(), parent.split("a"), parent.split("b")];
    const draws = streams.map((rng) => rng.fillNormal(new Float32Array(20_000)));
    for (const [i, x] of draws.entries()) {
      for (const y of draws.slice(0, i)) {
        const correlation = x.reduce((sum, value, k) => sum + value * (y[k] as number), 0) / x.length;
        expect(Math.abs(correlation)).toBeLessThan(5 / Math.sqrt(x.length));
      }
    }
  });

  test("save and restore go on bit-exactly, at every point and through JSON", () => {
    const draw = (rng: Rng, kind: number) =>
      kind === 0
        ? rng.normal()
        : kind === 1
          ? rng.uniform()
          : kind === 2
            ? rng.integer(10)
            : rng.split().uniform();
    const kinds = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 20 });
    fc.assert(
      fc.property(fc.integer(), kinds, kinds, (seed, before, after) => {
        const rng = new Rng(seed);
        for (const kind of before) draw(rng, kind);
        const copy = Rng.restore(JSON.parse(JSON.stringify(rng.save())));
        for (const kind of after) expect(draw(copy, kind)).toBe(draw(rng, kind));
        expect(copy.save()).toEqual(rng.save());
      }),
    );
  });

  test("restore shares nothing with what it was given", () => {
    const saved = new Rng(3).save();
    const rng = Rng.restore(saved);
    saved.key[0] = 1;
    saved.state[0] = 1;
    expect(rng.save()).toEqual(new Rng(3).save());
  });
});

describe("distributions", () => {
  /** Sum of (seen - wanted)² / wanted. */
  const chiSquare = (counts: readonly number[], wanted: number) =>
    counts.reduce((sum, seen) => sum + (seen - wanted) ** 2 / wanted, 0);

  test("integer is uniform: chi-square below its 99.99 % point", () => {
    const rng = new Rng("chi");
    const counts = new Array<number>(10).fill(0);
    for (let i = 0; i < 100_000; i++) {
      const k = rng.integer(10);
      counts[k] = (counts[k] ?? 0) + 1;
    }
    expect(chiSquare(counts, 10_000)).toBeLessThan(33.7); // 9 degrees of freedom
  });

  test("integer is unbiased where n does not divide 2^32", () => {
    // Without rejection, n = 3 * 2^30 would give its lowest third twice as often as the others.
    const rng = new Rng("bias");
    const n = 3 * 2 ** 30;
    let low = 0;
    for (let i = 0; i < 30_000; i++) if (rng.integer(n) < n / 3) low += 1;
    expect(Math.abs(low - 10_000)).toBeLessThan(5 * Math.sqrt(30_000 * (2 / 9)));
  });

  test("integer reaches beyond 32 bits and stays below n", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), fc.integer(), (n, seed) => {
        const k = new Rng(seed).integer(n);
        expect(Number.isSafeInteger(k) && k >= 0 && k < n).toBe(true);
      }),
    );
    const rng = new Rng(0);
    const large = Array.from({ length: 50 }, () => rng.integer(Number.MAX_SAFE_INTEGER));
    expect(Math.max(...large)).toBeGreaterThan(2 ** 52);
  });

  test("uniform fills [0, 1) evenly", () => {
    const rng = new Rng("even");
    const counts = new Array<number>(20).fill(0);
    for (let i = 0; i < 100_000; i++) {
      const bin = Math.floor(rng.uniform() * 20);
      counts[bin] = (counts[bin] ?? 0) + 1;
    }
    expect(counts).toHaveLength(20);
    expect(chiSquare(counts, 5000)).toBeLessThan(51.2); // 19 degrees of freedom
  });

  test("uniform stays in [min, max), also where rounding would reach max", () => {
    const rng = new Rng("edge");
    for (let i = 0; i < 200; i++) {
      expect(rng.uniform({ min: 1, max: 1 + Number.EPSILON })).toBe(1);
      const x = rng.uniform({ min: -3, max: -2 });
      expect(x >= -3 && x < -2).toBe(true);
    }
    const narrow = rng.fillUniform(new Float32Array(200), { min: 1, max: 1 + 2 ** -23 });
    expect(new Set(narrow)).toEqual(new Set([1]));
  });

  test("normal has the moments of the normal distribution", () => {
    const x = new Rng("moments").fillNormal(new Float32Array(200_000));
    const moment = (k: number) => x.reduce((sum, value) => sum + value ** k, 0) / x.length;
    const n = Math.sqrt(x.length);
    expect(Math.abs(moment(1))).toBeLessThan(4 / n);
    expect(Math.abs(moment(2) - 1)).toBeLessThan((4 * Math.sqrt(2)) / n);
    expect(Math.abs(moment(3))).toBeLessThan((4 * Math.sqrt(15)) / n);
    expect(Math.abs(moment(4) - 3)).toBeLessThan((4 * Math.sqrt(96)) / n);
  });

  test("the fills give what single calls give, in float32", () => {
    const [a, b] = [new Rng(9), new Rng(9)];
    for (const value of a.fillNormal(new Float32Array(100), { mean: 2, std: 0.5 })) {
      expect(value).toBe(Math.fround(b.normal({ mean: 2, std: 0.5 })));
    }
    for (const value of a.fillUniform(new Float32Array(100), { min: -1 })) {
      expect(value).toBe(Math.fround(b.uniform({ min: -1 })));
    }
  });
});

describe("shuffle and choice", () => {
  test("shuffle keeps the items and takes arrays and typed arrays", () => {
    const items = Array.from({ length: 100 }, (_, i) => i);
    const shuffled: number[] = new Rng(1).shuffle([...items]);
    const typed: Int32Array = new Rng(1).shuffle(Int32Array.from(items));
    expect(shuffled).not.toEqual(items);
    expect([...typed]).toEqual(shuffled);
    expect(shuffled.sort((a, b) => a - b)).toEqual(items);
  });

  test("every order is equally likely", () => {
    const rng = new Rng("orders");
    const counts = new Map<string, number>();
    for (let i = 0; i < 24_000; i++) {
      const order = rng.shuffle(["a", "b", "c", "d"]).join("");
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(24);
    const chi = [...counts.values()].reduce((sum, seen) => sum + (seen - 1000) ** 2 / 1000, 0);
    expect(chi).toBeLessThan(56.9); // 23 degrees of freedom, 99.99 %
  });

  test("choice follows its weights and never takes a zero weight", () => {
    const rng = new Rng("weights");
    const counts = new Map<string, number>();
    for (let i = 0; i < 40_000; i++) {
      const item = rng.choice(["never", "one", "three", "nor this"], { weights: [0, 1, 3, 0] });
      counts.set(item, (counts.get(item) ?? 0) + 1);
    }
    expect([...counts.keys()].sort()).toEqual(["one", "three"]);
    expect(Math.abs((counts.get("one") ?? 0) - 10_000)).toBeLessThan(5 * Math.sqrt(7500));
    expect(new Rng(1).choice([7])).toBe(7);
  });
});

describe("wrong arguments", () => {
  const rng = new Rng(1);
  test.each([
    ["a fractional seed", () => new Rng(1.5), "Rng: seed is 1.5"],
    ["NaN as seed", () => new Rng(Number.NaN), "Rng: seed is NaN"],
    ["a fractional label", () => rng.split(0.5), "Rng.split: label is 0.5"],
    ["integer(0)", () => rng.integer(0), "Rng.integer: n is 0, expected an integer in [1, 2^53)"],
    ["integer(1.5)", () => rng.integer(1.5), "n is 1.5"],
    ["an empty range", () => rng.uniform({ min: 1, max: 1 }), "min is 1 and max is 1"],
    ["a range too wide", () => rng.uniform({ min: -1e308, max: 1e308 }), "expected finite"],
    [
      "a range empty in float32",
      () => rng.fillUniform(new Float32Array(1), { min: 1, max: 1 + 2 ** -40 }),
      "max is 1",
    ],
    ["a negative std", () => rng.normal({ std: -1 }), "std is -1"],
    ["a NaN mean", () => rng.fillNormal(new Float32Array(1), { mean: Number.NaN }), "mean is NaN"],
    ["nothing to choose", () => rng.choice([]), "got no items"],
    ["too few weights", () => rng.choice([1, 2], { weights: [1] }), "got 1 weights for 2 items"],
    ["a negative weight", () => rng.choice([1, 2], { weights: [1, -1] }), "weights[1] is -1"],
    ["weights of zero", () => rng.choice([1, 2], { weights: [0, 0] }), "weights sum to 0"],
  ])("%s", (_, call, message) => {
    expect(call).toThrow(RangeError);
    expect(call).toThrow(message);
  });

  test("restore refuses what save did not give", () => {
    const good = new Rng(1).save();
    const bad = [
      { ...good, algorithm: "pcg" },
      { ...good, state: [0, 0, 0, 0] },
      { ...good, state: [1, 2, 3] },
      { ...good, key: [1, 2, 3, 2 ** 32] },
      { ...good, splits: -1 },
      null,
    ];
    for (const state of bad) {
      expect(() => Rng.restore(JSON.parse(JSON.stringify(state)))).toThrow(TypeError);
    }
  });
});
