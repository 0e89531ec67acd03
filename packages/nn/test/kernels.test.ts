import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { at, createHeap, noise } from "../../../tools/kernels/harness.ts";
import relaxed from "../src/generated/kernels-relaxed.ts";
import simd from "../src/generated/kernels-simd.ts";

/** Throws unless every number is within `tolerance` times the largest expected one (or `floor`), NaN and infinities the same. */
function expectClose(got: Float32Array, expected: ArrayLike<number>, tolerance = 2e-6, floor = 1e-30): void {
  if (got.length !== expected.length)
    throw new Error(`got ${got.length} numbers, expected ${expected.length}`);
  let size = floor;
  for (let i = 0; i < got.length; i++) {
    const x = Math.abs(at(expected, i));
    if (Number.isFinite(x)) size = Math.max(size, x);
  }
  for (let i = 0; i < got.length; i++) {
    const [x, y] = [at(got, i), at(expected, i)];
    if (Object.is(x, y) || Math.abs(x - y) <= tolerance * size) continue;
    throw new Error(`number ${i} is ${x}, expected ${y} (largest ${size})`);
  }
}

const rowsOf = (values: ArrayLike<number>, columns: number, row: number): number[] =>
  Array.from({ length: columns }, (_, j) => at(values, row * columns + j));
const sum = (values: readonly number[]): number => values.reduce((total, x) => total + x, 0);
const scaled = (values: Float32Array, factor: number): Float32Array => values.map((x) => x * factor);

interface Attention {
  B: number;
  Hkv: number;
  group: number;
  T: number;
  past: number;
  spare: number;
  d: number;
  causal: number;
  hidden: "nothing" | "padding" | "documents";
  seed: number;
}

/** The first key that each query sees [B, T]: 0, behind the padding of its row, or the first of its document. */
function firstKeysOf({ B, T, past, hidden, seed }: Attention, S: number): Int32Array {
  const chance = noise(B * T, seed + 4);
  const firstKeys = new Int32Array(B * T);
  for (let b = 0; b < B; b++) {
    let first = hidden === "padding" ? (seed + 3 * b) % (S + 2) : 0;
    for (let t = 0; t < T; t++) {
      if (hidden === "documents" && at(chance, b * T + t) > 1) first = past + t;
      firstKeys[b * T + t] = first;
    }
  }
  return firstKeys;
}

/** Attention and its gradient, one number after the other, in double precision. */
function attentionReference(
  p: Attention,
  S: number,
  scale: number,
  q: Float32Array,
  k: Float32Array,
  v: Float32Array,
  dout: Float32Array,
  firstKeys: Int32Array,
) {
  const { B, Hkv, group, T, d } = p;
  const H = Hkv * group;
  const capacity = S + p.spare;
  const out = new Float64Array(B * H * T * d);
  const lse = new Float64Array(B * H * T);
  const dq = new Float64Array(B * H * T * d);
  const dk = new Float64Array(B * Hkv * capacity * d);
  const dv = new Float64Array(B * Hkv * capacity * d);
  const dot = (x: ArrayLike<number>, i: number, y: ArrayLike<number>, j: number): number => {
    let total = 0;
    for (let c = 0; c < d; c++) total += at(x, i + c) * at(y, j + c);
    return total;
  };
  const add = (to: Float64Array, i: number, factor: number, x: ArrayLike<number>, j: number): void => {
    for (let c = 0; c < d; c++) to[i + c] = at(to, i + c) + factor * at(x, j + c);
  };
  for (let b = 0; b < B; b++) {
    for (let h = 0; h < H; h++) {
      for (let t = 0; t < T; t++) {
        const row = (b * H + h) * T + t;
        const kv = (b * Hkv + Math.floor(h / group)) * capacity * d;
        const seen: number[] = [];
        for (let j = at(firstKeys, b * T + t); j < S; j++) if (!p.causal || j <= p.past + t) seen.push(j);
        const scores = seen.map((j) => scale * dot(q, row * d, k, kv + j * d));
        const total = Math.log(sum(scores.map(Math.exp)));
        lse[row] = total;
        const weights = scores.map((x) => Math.exp(x - total));
        seen.forEach((j, i) => {
          add(out, row * d, at(weights, i), v, kv + j * d);
        });
        const delta = dot(dout, row * d, out, row * d);
        seen.forEach((j, i) => {
          const weight = at(weights, i);
          const ds = weight * (dot(dout, row * d, v, kv + j * d) - delta) * scale;
          add(dq, row * d, ds, k, kv + j * d);
          add(dk, kv + j * d, ds, q, row * d);
          add(dv, kv + j * d, weight, dout, row * d);
        });
      }
    }
  }
  return { out, lse, dq, dk, dv };
}

describe.each([
  ["relaxed", relaxed],
  ["simd", simd],
])("%s", (_, module) => {
  const heap = createHeap(module);
  const { call, inParts } = heap;
  beforeEach(() => heap.reset());

  const sizes = fc.record({
    rows: fc.integer({ min: 0, max: 9 }),
    D: fc.integer({ min: 1, max: 41 }),
    seed: fc.nat(1000),
  });

  describe("softmaxRows", () => {
    test("sums to one with every exponential right to 3e-7", () => {
      // A last logit that dominates makes the sum 1, so that the others are exp(x) themselves.
      const x = Float32Array.from({ length: 100_001 }, (_, i) => -86 * (1 - i / 100_000));
      x[100_000] = 0;
      const y = heap.allocate(x.length * 4);
      call("softmaxRows", heap.put(x), x.length, y, 0, 1);
      const exact = Array.from(x, Math.exp);
      const total = sum(exact);
      const got = heap.floats(y, x.length);
      for (const [i, e] of exact.entries()) {
        const error = Math.abs(at(got, i) / (e / total) - 1);
        if (!(error <= 3e-7) && e / total > 1.2e-38) throw new Error(`exp(${x[i]}): relative error ${error}`);
      }
    });

    test("gives zero, not noise, far below the largest", () => {
      const x = heap.put([0, -87, -104, -1e4, -3e38, Number.NEGATIVE_INFINITY, -50]);
      call("softmaxRows", x, 7, x, 0, 1);
      const got = heap.floats(x, 7);
      expect(Array.from(got.subarray(0, 6))).toEqual([1, 0, 0, 0, 0, 0]);
      expect(at(got, 6) / Math.exp(-50)).toBeCloseTo(1, 6);
    });

    test("keeps NaN to its row", () => {
      const x = heap.put([1, Number.NaN, 2, 3, 3, 3, 3, 3, 3, 3]);
      call("softmaxRows", x, 5, x, 0, 2);
      const got = heap.floats(x, 10);
      expect(got.subarray(0, 5).every(Number.isNaN)).toBe(true);
      expectClose(got.slice(5), new Array(5).fill(0.2));
    });
  });

  test("rmsNorm and its gradient match double precision", () => {
    fc.assert(
      fc.property(sizes, ({ rows, D, seed }) => {
        heap.reset();
        const eps = 1e-6;
        const [x, weight, dy] = [noise(rows * D, seed), noise(D, seed + 1), noise(rows * D, seed + 2)];
        const [pX, pWeight, pDy] = [heap.put(x), heap.put(weight), heap.put(dy)];
        const [y, inv, dx] = [
          heap.allocate(rows * D * 4),
          heap.allocate(rows * 4),
          heap.allocate(rows * D * 4),
        ];
        const [dWeight, scratch] = [heap.allocate(D * 4), heap.allocate(D * 4)];
        inParts("rmsNorm", rows, pX, pWeight, D, eps, y, inv);
        call("rmsNormGrad", pX, pWeight, pDy, inv, D, dx, dWeight, scratch, 0, rows);

        const [wantY, wantDx, wantDw]: [number[], number[], number[]] = [[], [], new Array(D).fill(0)];
        let terms = 1e-30; // the largest of the two terms of dx, which nearly cancel in short rows
        for (let r = 0; r < rows; r++) {
          const [xs, dys] = [rowsOf(x, D, r), rowsOf(dy, D, r)];
          const factor = 1 / Math.sqrt(sum(xs.map((a) => a * a)) / D + eps);
          const mean = sum(xs.map((a, j) => a * at(dys, j) * at(weight, j))) / D;
          xs.forEach((a, j) => {
            terms = Math.max(terms, Math.abs(factor * at(dys, j) * at(weight, j)));
            wantY.push(a * factor * at(weight, j));
            wantDx.push(factor * (at(dys, j) * at(weight, j) - a * factor ** 2 * mean));
            wantDw[j] = at(wantDw, j) + at(dys, j) * a * factor;
          });
        }
        expectClose(heap.floats(y, rows * D), wantY);
        expectClose(heap.floats(dx, rows * D), wantDx, 2e-6, terms);
        // A sum over the rows may cancel: its rounding is that of what was added up.
        expectClose(heap.floats(dWeight, D), wantDw, 5e-6, Math.max(1, Math.sqrt(rows)));
      }),
    );
  });

  test("rmsNorm gives zeros for a zero row", () => {
    const x = heap.put(new Float32Array(6));
    call("rmsNorm", x, heap.put(new Float32Array(6).fill(3)), 6, 1e-6, x, 0, 0, 1);
    expect(heap.floats(x, 6)).toEqual(new Float32Array(6));
  });

  test("rmsNormGrad sums many rows without drifting", () => {
    const rows = 20_000;
    const x = heap.put(new Float32Array(rows).fill(0.1));
    const [dx, dWeight, scratch] = [heap.allocate(rows * 4), heap.allocate(4), heap.allocate(4)];
    const inv = heap.put(new Float32Array(rows).fill(1));
    call("rmsNormGrad", x, heap.put([1]), x, inv, 1, dx, dWeight, scratch, 0, rows);
    expect(at(heap.floats(dWeight, 1), 0) / (rows * Math.fround(0.1) ** 2)).toBeCloseTo(1, 5);
  });

  test("rope turns pairs d/2 apart, and turns back", () => {
    const shape = fc.record({
      B: fc.integer({ min: 1, max: 3 }),
      H: fc.integer({ min: 1, max: 4 }),
      T: fc.integer({ min: 1, max: 5 }),
      half: fc.integer({ min: 1, max: 9 }),
      each: fc.boolean(),
      seed: fc.nat(1000),
    });
    fc.assert(
      fc.property(shape, ({ B, H, T, half, each, seed }) => {
        heap.reset();
        const d = 2 * half;
        const group = each ? H * T : 0; // rows that share a table
        const angles = noise((each ? B : 1) * T * half, seed);
        const x = noise(B * H * T * d, seed + 1);
        const [cos, sin] = [heap.put(angles.map(Math.cos)), heap.put(angles.map(Math.sin))];
        const [pX, y] = [heap.put(x), heap.allocate(x.length * 4)];
        inParts("rope", B * H * T, pX, cos, sin, T, d, group, y, 1);
        const want = Array.from(x, (value, i) => {
          const [row, j] = [Math.floor(i / d), i % d];
          const table = each ? Math.floor(row / (H * T)) : 0;
          const angle = at(angles, (table * T + (row % T)) * half + (j % half));
          return j < half
            ? value * Math.cos(angle) - at(x, i + half) * Math.sin(angle)
            : value * Math.cos(angle) + at(x, i - half) * Math.sin(angle);
        });
        expectClose(heap.floats(y, x.length), want, 1e-6);
        inParts("rope", B * H * T, y, cos, sin, T, d, group, y, -1);
        expectClose(heap.floats(y, x.length), x, 1e-6);
      }),
    );
  });

  test("siluMul and its gradient match double precision, in chunks too", () => {
    const wide = fc.oneof(
      sizes,
      fc.record({ rows: fc.constant(2), D: fc.constantFrom(1023, 1024, 1030), seed: fc.nat(9) }),
    );
    fc.assert(
      fc.property(wide, fc.constantFrom(1, 20, 80), ({ rows, D: F, seed }, size) => {
        heap.reset();
        const gateUp = scaled(noise(rows * 2 * F, seed), size);
        const dy = noise(rows * F, seed + 1);
        const [pIn, pDy, y, dIn] = [
          heap.put(gateUp),
          heap.put(dy),
          heap.allocate(rows * F * 4),
          heap.allocate(rows * F * 8),
        ];
        inParts("siluMul", rows, pIn, F, y);
        inParts("siluMulGrad", rows, pIn, pDy, F, dIn);
        const [wantY, wantD] = [new Float64Array(rows * F), new Float64Array(rows * 2 * F)];
        for (let i = 0; i < rows * F; i++) {
          const at0 = Math.floor(i / F) * 2 * F + (i % F);
          const [gate, up, d] = [at(gateUp, at0), at(gateUp, at0 + F), at(dy, i)];
          const s = 1 / (1 + Math.exp(-gate));
          wantY[i] = gate * s * up;
          wantD[at0] = d * up * s * (1 + gate * (1 - s));
          wantD[at0 + F] = d * gate * s;
        }
        // Beyond −88 the sigmoid stays at e⁻⁸⁸, where the exact one goes on falling.
        expectClose(heap.floats(y, rows * F), wantY, 1e-6, 1e-24);
        expectClose(heap.floats(dIn, rows * 2 * F), wantD, 1e-6, 1e-24);
      }),
    );
  });

  describe("attention", () => {
    function check(p: Attention): void {
      heap.reset();
      const { B, Hkv, group, T, d, causal } = p;
      const H = Hkv * group;
      const S = p.past + T;
      const capacity = S + p.spare;
      const scale = d ** -0.5;
      const q = noise(B * H * T * d, p.seed);
      const k = noise(B * Hkv * capacity * d, p.seed + 1);
      const v = noise(B * Hkv * capacity * d, p.seed + 2);
      const dout = noise(B * H * T * d, p.seed + 3);
      const firstKeys = firstKeysOf(p, S); // [B, T]
      const starts = p.hidden === "documents" ? T : 1;
      const [pQ, pK, pV, pDout] = [heap.put(q), heap.put(k), heap.put(v), heap.put(dout)];
      const validFrom = starts === T ? firstKeys : firstKeys.filter((_, i) => i % T === 0);
      const pValid = p.hidden === "nothing" ? 0 : heap.put(validFrom);
      const [out, lse] = [heap.allocate(q.length * 4), heap.allocate(B * H * T * 4)];
      const scratch = heap.allocate(call("attentionScratchBytes", H, Hkv, T, S, d));
      const tasks = call("attentionTasks", B, H, Hkv, T);
      const sizes = [B, H, Hkv, T, S, capacity, d, scale, causal, p.past, pValid, starts];
      inParts("attention", tasks, pQ, pK, pV, ...sizes, out, lse, scratch);

      const want = attentionReference(p, S, scale, q, k, v, dout, firstKeys);
      expectClose(heap.floats(out, q.length), want.out, 1e-6, 2); // a mean of values in [-2, 2]
      expectClose(heap.floats(lse, want.lse.length), want.lse, 1e-6, 1);

      const [dq, dk, dv] = [
        heap.allocate(q.length * 4),
        heap.allocate(k.length * 4),
        heap.allocate(v.length * 4),
      ];
      const gradScratch = heap.allocate(call("attentionGradScratchBytes", T, S, d));
      inParts("attentionGrad", B * Hkv, pQ, pK, pV, out, lse, pDout, ...sizes, dq, dk, dv, gradScratch);
      expectClose(heap.floats(dq, q.length), want.dq, 5e-6, 1);
      expectClose(heap.floats(dk, k.length), want.dk, 5e-6, 1);
      expectClose(heap.floats(dv, v.length), want.dv, 5e-6, 1);
    }

    const small = fc.record({
      B: fc.integer({ min: 1, max: 2 }),
      Hkv: fc.integer({ min: 1, max: 3 }),
      group: fc.integer({ min: 1, max: 5 }),
      T: fc.integer({ min: 1, max: 9 }),
      past: fc.nat(9),
      spare: fc.nat(3),
      d: fc.integer({ min: 1, max: 11 }),
      causal: fc.constantFrom(0, 1),
      hidden: fc.constantFrom("nothing" as const, "padding" as const, "documents" as const),
      seed: fc.nat(1000),
    });

    test("and its gradient match double precision: groups, caches, padding, documents", () => {
      fc.assert(fc.property(small, check), { numRuns: 200 });
    });

    test("and its gradient match across blocks and chunks of queries", () => {
      const long = fc
        .tuple(small, fc.constantFrom(47, 48, 49, 130, 385), fc.constantFrom(0, 60))
        .map(([p, T, past]) => {
          return { ...p, B: 1, Hkv: 1, group: Math.min(2, p.group), T, past };
        });
      fc.assert(fc.property(long, check), { numRuns: 10 });
    });

    test("decodes one token against a long cache", () => {
      fc.assert(
        fc.property(small, (p) => check({ ...p, T: 1, past: 300 + p.past })),
        { numRuns: 15 },
      );
    });

    test("gives zeros and lse = -Infinity where nothing is visible", () => {
      const one = heap.put(new Float32Array(8).fill(1));
      const [out, lse] = [heap.allocate(8 * 4), heap.allocate(2 * 4)];
      const scratch = heap.allocate(call("attentionScratchBytes", 1, 1, 2, 2, 4));
      const from = heap.put(Int32Array.of(1)); // hides key 0, all that query 0 may see
      call("attention", one, one, one, 1, 1, 1, 2, 2, 2, 4, 1, 1, 0, from, 1, out, lse, scratch, 0, 1);
      expect(Array.from(heap.floats(out, 8))).toEqual([0, 0, 0, 0, 1, 1, 1, 1]);
      expect(at(heap.floats(lse, 2), 0)).toBe(Number.NEGATIVE_INFINITY);
    });
  });

  describe("crossEntropy", () => {
    test("and its gradient match double precision", () => {
      const options = fc.record({
        smoothing: fc.constantFrom(0, 0.1),
        z: fc.constantFrom(0, 1e-4, 0.1),
        each: fc.boolean(),
      });
      fc.assert(
        fc.property(
          sizes,
          options,
          fc.constantFrom(1, 15),
          ({ rows, D: V, seed }, { smoothing, z, each }, size) => {
            heap.reset();
            const [e, zWeight] = [Math.fround(smoothing), Math.fround(z)];
            const logits = scaled(noise(rows * V, seed), size);
            const targets = Int32Array.from({ length: rows }, (_, r) =>
              (seed + r) % 4 === 0 ? -100 : (seed + 7 * r) % V,
            );
            const scales = noise(rows, seed + 1);
            const [pLogits, pTargets, pScales] = [
              heap.put(logits),
              heap.put(targets),
              each ? heap.put(scales) : 0,
            ];
            const [loss, lse, d] = [
              heap.allocate(rows * 4),
              heap.allocate(rows * 4),
              heap.allocate(rows * V * 4),
            ];
            inParts("crossEntropy", rows, pLogits, pTargets, V, -100, e, zWeight, loss, lse);
            inParts("crossEntropyGrad", rows, pLogits, pTargets, lse, V, -100, e, zWeight, 0.5, pScales, d);
            const [wantLoss, wantLse, wantD]: [number[], number[], number[]] = [[], [], []];
            for (let r = 0; r < rows; r++) {
              const [row, target] = [rowsOf(logits, V, r), at(targets, r)];
              const total = Math.log(sum(row.map(Math.exp)));
              const ignored = target === -100;
              const mean = total - sum(row) / V;
              wantLse.push(ignored ? 0 : total);
              wantLoss.push(
                ignored ? 0 : (1 - e) * (total - at(row, target)) + e * mean + zWeight * total * total,
              );
              const by = 0.5 * (each ? at(scales, r) : 1);
              row.forEach((x, j) => {
                const p = Math.exp(x - total) * (1 + 2 * zWeight * total);
                wantD.push(ignored ? 0 : by * (p - (j === target ? 1 - e : 0) - e / V));
              });
            }
            expectClose(heap.floats(lse, rows), wantLse, 5e-7, 1);
            expectClose(heap.floats(loss, rows), wantLoss, 1e-6, 1);
            expectClose(heap.floats(d, rows * V), wantD, 3e-6, 1);
          },
        ),
      );
    });

    test("stays finite at logits whose exponentials are not", () => {
      const logits = heap.put([1000, 0, -1000, 990, 1000, 999, 0, 5]);
      const [loss, lse] = [heap.allocate(8), heap.allocate(8)];
      call("crossEntropy", logits, heap.put(Int32Array.of(1, 0)), 4, -1, 0, 0, loss, lse, 0, 2);
      expectClose(heap.floats(loss, 2), [1000 + Math.log1p(Math.exp(-10)), Math.log1p(Math.exp(-1))], 1e-7);
    });

    test("sums a vocabulary of 32,000 to 1e-6", () => {
      const logits = noise(32_000, 5);
      const [loss, lse] = [heap.allocate(4), heap.allocate(4)];
      call(
        "crossEntropy",
        heap.put(logits),
        heap.put(Int32Array.of(31_999)),
        32_000,
        -1,
        0,
        0,
        loss,
        lse,
        0,
        1,
      );
      expectClose(heap.floats(lse, 1), [Math.log(sum(Array.from(logits, Math.exp)))], 2e-7);
    });

    test("makes a wrong target NaN, in loss and gradient", () => {
      const logits = heap.put(new Float32Array(6).fill(1));
      const targets = heap.put(Int32Array.of(3, 0));
      const [loss, lse, d] = [heap.allocate(8), heap.allocate(8), heap.allocate(24)];
      call("crossEntropy", logits, targets, 3, -100, 0, 0, loss, lse, 0, 2);
      call("crossEntropyGrad", logits, targets, lse, 3, -100, 0, 0, 1, 0, d, 0, 2);
      expect(Array.from(heap.floats(loss, 2), Number.isNaN)).toEqual([true, false]);
      expect(Array.from(heap.floats(d, 6), Number.isNaN)).toEqual([true, true, true, false, false, false]);
    });
  });
});
