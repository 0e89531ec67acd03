import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { at, createHeap, noise } from "../../../tools/kernels/harness.ts";
import relaxed from "../src/generated/kernels-relaxed.ts";
import simd from "../src/generated/kernels-simd.ts";

/** Throws unless every number is within `tolerance` of the largest expected one, or of `floor`. */
function expectClose(got: Float32Array, expected: readonly number[], tolerance: number, floor = 1): void {
  expect(got.length).toBe(expected.length);
  const size = expected.reduce((top, x) => Math.max(top, Math.abs(x)), Math.max(1, floor));
  for (const [i, x] of got.entries()) {
    if (Math.abs(x - at(expected, i)) <= tolerance * size) continue;
    throw new Error(`number ${i} is ${x}, expected ${at(expected, i)} (largest ${size})`);
  }
}

describe.each([
  ["relaxed", relaxed],
  ["simd", simd],
])("%s", (_, module) => {
  const heap = createHeap(module);
  const { call, inParts } = heap;
  beforeEach(() => heap.reset());

  test("layerNorm and its gradients match double precision", () => {
    const sizes = fc.record({
      rows: fc.oneof(fc.integer({ min: 0, max: 9 }), fc.constantFrom(63, 64, 65, 130)),
      D: fc.integer({ min: 1, max: 41 }),
      seed: fc.nat(1000),
    });
    fc.assert(
      fc.property(sizes, ({ rows, D, seed }) => {
        heap.reset();
        const eps = 0.05; // rows of few columns may be all but constant, where every rounding would count
        const [x, dy] = [noise(rows * D, seed), noise(rows * D, seed + 1)];
        const [weight, bias] = [noise(D, seed + 2), noise(D, seed + 3)];
        const [pX, pDy, pWeight, pBias] = [heap.put(x), heap.put(dy), heap.put(weight), heap.put(bias)];
        const [y, means, inv] = [
          heap.allocate(rows * D * 4),
          heap.allocate(rows * 4),
          heap.allocate(rows * 4),
        ];
        const [dx, dWeight, dBias] = [
          heap.allocate(rows * D * 4),
          heap.allocate(D * 4),
          heap.allocate(D * 4),
        ];
        inParts("layerNorm", rows, pX, pWeight, pBias, D, eps, y, means, inv);
        inParts("layerNormGrad", rows, pX, pWeight, pDy, means, inv, D, dx);
        const tasks = Math.ceil(D / 4);
        inParts("layerNormGradColumns", tasks, pX, pDy, means, inv, rows, D, dWeight, dBias);

        const [wantY, wantDx]: [number[], number[]] = [[], []];
        const [wantDw, wantDb]: [number[], number[]] = [new Array(D).fill(0), new Array(D).fill(0)];
        const average = (values: number[]) => values.reduce((total, v) => total + v, 0) / D;
        for (let r = 0; r < rows; r++) {
          const row = Array.from(x.subarray(r * D, (r + 1) * D));
          const up = Array.from(dy.subarray(r * D, (r + 1) * D));
          const mean = average(row);
          const factor = 1 / Math.sqrt(average(row.map((v) => (v - mean) ** 2)) + Math.fround(eps));
          const unit = row.map((v) => (v - mean) * factor);
          const g = up.map((v, j) => v * at(weight, j));
          const [plain, along] = [average(g), average(g.map((v, j) => v * at(unit, j)))];
          unit.forEach((u, j) => {
            wantY.push(u * at(weight, j) + at(bias, j));
            wantDx.push(factor * (at(g, j) - plain - u * along));
            wantDw[j] = at(wantDw, j) + at(up, j) * u;
            wantDb[j] = at(wantDb, j) + at(up, j);
          });
        }
        expectClose(heap.floats(y, rows * D), wantY, 3e-6);
        expectClose(heap.floats(dx, rows * D), wantDx, 1e-5);
        // Sums over the rows may cancel: their rounding is that of what was added up.
        expectClose(heap.floats(dWeight, D), wantDw, 5e-6, Math.sqrt(rows));
        expectClose(heap.floats(dBias, D), wantDb, 1e-6, Math.sqrt(rows));
      }),
    );
  });

  test("gelu does not depend on how its elements are shared out, to the bit", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2500 }), fc.nat(1000), fc.nat(1000), (n, share, seed) => {
        heap.reset();
        const x = noise(n, seed).map((v) => 4 * v);
        const [from, up] = [heap.put(x), heap.put(noise(n, seed + 1))];
        const cut = Math.floor((n * share) / 1000);
        const run = (kernel: string, ...inputs: number[]) => {
          const [whole, parts] = [heap.allocate(n * 4), heap.allocate(n * 4)];
          call(kernel, ...inputs, whole, 0, n);
          call(kernel, ...inputs, parts, 0, cut);
          call(kernel, ...inputs, parts, cut, n);
          expect(heap.floats(parts, n)).toEqual(heap.floats(whole, n));
          return heap.floats(whole, n);
        };
        const y = run("gelu", from);
        const slope = run("geluGrad", from, up);
        expect(y.every(Number.isFinite) && slope.every(Number.isFinite)).toBe(true);
      }),
      { numRuns: 30 },
    );
  });
});
