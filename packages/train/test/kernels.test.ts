import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { at, createHeap, noise } from "../../../tools/kernels/harness.ts";
import relaxed from "../src/generated/kernels-relaxed.ts";
import simd from "../src/generated/kernels-simd.ts";

const DECAY = 0.999;

describe.each([
  ["relaxed", relaxed],
  ["simd", simd],
])("%s", (_, module) => {
  const heap = createHeap(module);
  const { call, inParts } = heap;
  beforeEach(() => heap.reset());

  test("adamw takes the steps of double precision, in place or not", () => {
    fc.assert(
      fc.property(
        fc.nat(23),
        fc.boolean(),
        fc.constantFrom(0, 0.1),
        fc.constantFrom(1, 0.25),
        fc.nat(99),
        (n, inPlace, decay, gradScale, seed) => {
          heap.reset();
          const [lr, beta1, beta2, eps] = [3e-3, 0.9, 0.999, 1e-8];
          const state = { w: noise(n, seed), m: new Float32Array(n), v: new Float32Array(n) };
          const want = { w: Float64Array.from(state.w), m: new Float64Array(n), v: new Float64Array(n) };
          let [w, m, v] = [heap.put(state.w), heap.put(state.m), heap.put(state.v)];
          for (let step = 1; step <= 4; step++) {
            const g = noise(n, seed + step);
            const out = inPlace
              ? ([w, m, v] as const)
              : ([heap.allocate(n * 4), heap.allocate(n * 4), heap.allocate(n * 4)] as const);
            const corrections = [1 - beta1 ** step, 1 - beta2 ** step] as const;
            inParts(
              "adamw",
              n,
              w,
              heap.put(g),
              m,
              v,
              lr,
              beta1,
              beta2,
              eps,
              decay,
              ...corrections,
              gradScale,
              ...out,
            );
            [w, m, v] = out;
            for (let i = 0; i < n; i++) {
              const grad = at(g, i) * gradScale;
              const mean = beta1 * at(want.m, i) + (1 - beta1) * grad;
              const square = beta2 * at(want.v, i) + (1 - beta2) * grad * grad;
              [want.m[i], want.v[i]] = [mean, square];
              const update = mean / corrections[0] / (Math.sqrt(square / corrections[1]) + eps);
              want.w[i] = at(want.w, i) * (1 - lr * decay) - lr * update;
            }
          }
          for (let i = 0; i < n; i++) {
            expect(Math.abs(at(heap.floats(w, n), i) - at(want.w, i))).toBeLessThan(1e-6);
            expect(Math.abs(at(heap.floats(m, n), i) - at(want.m, i))).toBeLessThan(3e-7);
            expect(Math.abs(at(heap.floats(v, n), i) / at(want.v, i) - 1)).toBeLessThan(1e-6);
          }
        },
      ),
    );
  });

  test("adamw leaves a weight alone whose gradient has always been zero", () => {
    const [w, zero] = [heap.put([1, 2, 3, 4, 5]), heap.put(new Float32Array(5))];
    call("adamw", w, zero, zero, zero, 0.1, 0.9, 0.999, 1e-8, 0, 0.1, 0.001, 1, w, zero, zero, 0, 5);
    expect(Array.from(heap.floats(w, 5))).toEqual([1, 2, 3, 4, 5]);
  });

  test("ema goes the same part of the way everywhere", () => {
    fc.assert(
      fc.property(fc.nat(23), fc.nat(99), (n, seed) => {
        heap.reset();
        const [average, w] = [noise(n, seed), noise(n, seed + 1)];
        const out = heap.allocate(n * 4);
        inParts("ema", n, heap.put(average), heap.put(w), DECAY, out);
        heap.floats(out, n).forEach((x, i) => {
          expect(Math.abs(x - (DECAY * at(average, i) + (1 - DECAY) * at(w, i)))).toBeLessThan(2.5e-7);
        });
      }),
    );
  });

  test("ema with decay 0 is the weights", () => {
    const [average, w] = [heap.put(new Float32Array(5)), heap.put([1, 2, 3, 4, 5])];
    call("ema", average, w, 0, average, 0, 5);
    expect(Array.from(heap.floats(average, 5))).toEqual([1, 2, 3, 4, 5]);
  });

  test("sumSquares is exact where float32 would overflow", () => {
    expect(call("sumSquares", heap.put([3e38, 1, 3e38, 3e38, 3e38]), 5) / (4 * Math.fround(3e38) ** 2)).toBe(
      1,
    );
  });
});
