// The kernels of 8-bit and 4-bit matrices against what the matrices stand for, in double precision, in both builds.

import { dequantizeRows, type QuantizedRows, quantizeRows } from "@corenet/core/quantize";
import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { at, createHeap, noise } from "../../../tools/kernels/harness.ts";
import relaxed from "../src/generated/kernels-relaxed.ts";
import simd from "../src/generated/kernels-simd.ts";
import { rowWords, toQuads } from "../src/kernels/int-matrix/quads.ts";

const codes = { int8: 3, int4: 4 } as const;
const steps = { int8: 32767, int4: 127 } as const; // of a rounded row
type Format = keyof typeof codes;

interface Product {
  format: Format;
  transB: 0 | 1;
  M: number;
  N: number;
  K: number;
  parts: number;
  byColumns: 0 | 1;
  seed: number;
}

describe.each([
  ["relaxed", relaxed],
  ["simd", simd],
])("%s", (_, module) => {
  const heap = createHeap(module);
  const { call } = heap;
  beforeEach(() => heap.reset());

  /** A matrix as the kernels take it: addresses of quants and scales. */
  function put(matrix: QuantizedRows): [number, number] {
    const words = new Uint32Array(matrix.quants.slice().buffer);
    const scales = matrix.scales.slice();
    toQuads(words, rowWords(matrix));
    toQuads(scales, matrix.groups);
    return [heap.put(words), heap.put(scales)];
  }

  /** The product by the kernels, in parts. */
  function multiply(p: Product, x: Float32Array) {
    const { format, transB, M, N, K, parts, byColumns } = p;
    const code = codes[format];
    const [rows, columns] = transB ? [N, K] : [K, N];
    const matrix = quantizeRows(noise(rows * columns, p.seed + 1), { rows, columns, format });
    const places = [heap.put(x), ...put(matrix)];
    const c = heap.allocate(4 * M * N);
    const tile = transB ? (byColumns ? 8 : 4) : byColumns ? 32 : 6;
    const size = Math.ceil((byColumns ? N : M) / parts / tile) * tile;
    const count = Math.ceil((byColumns ? N : M) / size);
    if (transB) {
      const [from = 0] = places;
      places[0] = heap.allocate(M * call("roundedStride", code, K));
      heap.inParts("roundRows", M, code, K, from, places[0]);
    }
    const bytes = transB ? call("intRowScratchBytes", code, K) : call("intColumnScratchBytes", M, N, K);
    const args = [code, M, N, K, ...places, c, heap.allocate(bytes), byColumns, size];
    const kernel = transB ? "intRowParts" : "intColumnParts";
    for (let part = 0; part < count; part++) call(kernel, ...args, part, part + 1);
    return { got: heap.floats(c, M * N), weights: dequantizeRows(matrix) };
  }

  const product = (maxRows: number, maxSize: number) =>
    fc.record<Product>({
      format: fc.constantFrom<Format>("int8", "int4"),
      transB: fc.constantFrom(0, 1),
      M: fc.integer({ min: 1, max: maxRows }),
      N: fc.integer({ min: 1, max: maxSize }),
      K: fc.integer({ min: 1, max: maxSize }),
      parts: fc.integer({ min: 1, max: 3 }),
      byColumns: fc.constantFrom(0, 1),
      seed: fc.nat(1000),
    });

  /** Σ_g (largest |x| of the group / steps / 2) Σ_(k in g) |w_k|: what rounding x may cost, and every float operation 1e-6. */
  function check(p: Product): void {
    heap.reset();
    const { format, transB, M, N, K } = p;
    const x = noise(M * K, p.seed);
    const { got, weights } = multiply(p, x);
    const isRounded = transB === 1;
    for (let m = 0; m < M; m++) {
      for (let n = 0; n < N; n++) {
        let [sum, size, rounding] = [0, 0, 0];
        for (let g = 0; g < K; g += 32) {
          const ks = Array.from({ length: Math.min(32, K - g) }, (_, j) => g + j);
          const weight = (k: number) => at(weights, transB ? n * K + k : k * N + n);
          const largest = Math.max(...ks.map((k) => Math.abs(at(x, m * K + k))));
          for (const k of ks) {
            sum += at(x, m * K + k) * weight(k);
            size += Math.abs(at(x, m * K + k) * weight(k));
            if (isRounded) rounding += (largest / steps[format] / 2) * Math.abs(weight(k));
          }
          if (isRounded) size += 16 * largest * ks.length * Math.max(...ks.map((k) => Math.abs(weight(k)))); // int4's zero
        }
        const error = Math.abs(at(got, m * N + n) - sum);
        if (!(error <= rounding * 1.0001 + 1e-6 * size)) {
          throw new Error(`C[${m}, ${n}] is ${at(got, m * N + n)}, expected ${sum} within ${rounding}`);
        }
      }
    }
  }

  test("are right at every small size, format and form, within the rounding of x", () => {
    fc.assert(fc.property(product(12, 70), check), { numRuns: 150 });
  });

  test("are right at sizes that cross blocks", () => {
    const sizes = fc.constantFrom(255, 257, 300, 520);
    const large = fc.tuple(product(40, 1), sizes, sizes).map(([p, N, K]) => ({ ...p, N, K }));
    fc.assert(fc.property(large, check), { numRuns: 6 });
  });

  test("give a row the same bits alone as among any, in whichever parts", () => {
    const rounded = product(9, 100).map((p) => ({ ...p, transB: 1 as const }));
    const property = (p: Product): void => {
      heap.reset();
      const x = noise(p.M * p.K, p.seed);
      const { got } = multiply(p, x);
      for (let m = 0; m < p.M; m++) {
        const alone = multiply({ ...p, M: 1, parts: 1 }, x.slice(m * p.K, (m + 1) * p.K));
        expect(got.slice(m * p.N, (m + 1) * p.N)).toEqual(alone.got);
      }
    };
    fc.assert(fc.property(rounded, property), { numRuns: 40 });
  });

  test.each(["int8", "int4"] as const)("%s unpacks rows exactly, in parts", (format) => {
    const [rows, columns] = [7, 45];
    const matrix = quantizeRows(noise(rows * columns, 5), { rows, columns, format });
    const ids = [6, 0, 3, 3];
    const addresses = [...put(matrix), rows, matrix.groups, heap.put(Int32Array.from(ids))];
    const out = heap.allocate(4 * ids.length * columns);
    heap.inParts("decodeIntRows", ids.length, codes[format], ...addresses, columns, out, heap.allocate(160));
    const values = dequantizeRows(matrix);
    const wanted = ids.flatMap((id) => [...values.subarray(id * columns, (id + 1) * columns)]);
    expect([...heap.floats(out, ids.length * columns)]).toEqual(wanted);
  });

  test.each(["int8", "int4"] as const)("%s: extreme numbers of x, zeros, infinity and NaN", (format) => {
    const p: Product = { format, transB: 1, M: 1, N: 7, K: 40, parts: 1, byColumns: 1, seed: 1 };
    for (const size of [1e-25, 1e-6, 1, 1e30]) {
      heap.reset();
      const x = noise(40, 2).map((value) => value * size);
      const { got, weights } = multiply(p, x);
      for (let n = 0; n < 7; n++) {
        const sum = [...x].reduce((total, value, k) => total + value * at(weights, n * 40 + k), 0);
        expect(Math.abs(at(got, n) - sum)).toBeLessThanOrEqual((40 * size) / steps[format]);
      }
    }
    heap.reset();
    expect([...multiply(p, new Float32Array(40)).got]).toEqual(Array(7).fill(0));
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      heap.reset();
      const x = new Float32Array(40).fill(1);
      x[35] = bad;
      expect([...multiply(p, x).got]).toEqual(Array(7).fill(Number.NaN));
    }
  });
});
