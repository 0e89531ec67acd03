import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { at, createHeap, noise } from "../../../tools/kernels/harness.ts";
import relaxed from "../src/generated/kernels-relaxed.ts";
import simd from "../src/generated/kernels-simd.ts";

const bit = fc.constantFrom(0, 1);

/** The f16 or bf16 bit patterns of floats, truncated, and the floats they stand for. */
function toHalf(values: Float32Array, format: number): { bits: Uint16Array; values: Float32Array } {
  if (format === 2) {
    const words = new Uint32Array(values.buffer.slice(0));
    const bits = Uint16Array.from(words, (w) => w >>> 16);
    return { bits, values: new Float32Array(Uint32Array.from(bits, (b) => b << 16).buffer) };
  }
  const halves = new Float16Array(values);
  return { bits: new Uint16Array(halves.buffer), values: new Float32Array(halves) };
}

interface Product {
  format: number;
  transA: number;
  transB: number;
  M: number;
  N: number;
  K: number;
  /** How much further apart the rows are than they are long: of A, B, C. */
  gaps: [number, number, number];
  alpha: number;
  accumulate: number;
  seed: number;
}

describe.each([
  ["relaxed", relaxed],
  ["simd", simd],
])("%s", (_, module) => {
  const heap = createHeap(module);
  const { call } = heap;
  beforeEach(() => heap.reset());

  /** Runs the kernel and checks every number of C, those in the gaps between its rows included. */
  function checkProduct(p: Product): void {
    heap.reset();
    const { M, N, K, transA, transB } = p;
    const lda = (transA ? M : K) + p.gaps[0];
    const ldb = (transB ? K : N) + p.gaps[1];
    const ldc = N + p.gaps[2];
    const a = noise((transA ? K : M) * lda, p.seed);
    const half = toHalf(noise((transB ? N : K) * ldb, p.seed + 1), p.format);
    const b = p.format === 0 ? noise((transB ? N : K) * ldb, p.seed + 1) : half.values;
    const before = noise(M * ldc, p.seed + 2);

    const c = heap.put(before);
    const [pa, pb] = [heap.put(a), heap.put(p.format === 0 ? b : half.bits)];
    const bytes = call("gemmScratchBytes", M, N, K);
    const scratch = heap.allocate(bytes);
    call(
      "gemmPackedB",
      p.format,
      transA,
      transB,
      M,
      N,
      K,
      pa,
      lda,
      pb,
      ldb,
      c,
      ldc,
      p.alpha,
      p.accumulate,
      scratch,
    );

    const got = heap.floats(c, M * ldc);
    const alpha = Math.fround(p.alpha);
    for (let m = 0; m < M; m++) {
      for (let n = 0; n < ldc; n++) {
        const index = m * ldc + n;
        if (n >= N) {
          if (at(got, index) !== at(before, index)) throw new Error(`wrote into the gap at row ${m}`);
          continue;
        }
        let sum = p.accumulate ? at(before, index) : 0;
        let size = Math.abs(sum);
        for (let k = 0; k < K; k++) {
          const left = at(a, transA ? k * lda + m : m * lda + k);
          const term = alpha * left * at(b, transB ? n * ldb + k : k * ldb + n);
          sum += term;
          size += Math.abs(term);
        }
        const error = Math.abs(at(got, index) - sum);
        if (!(error <= 1e-6 * size)) throw new Error(`C[${m}, ${n}] is ${got[index]}, expected ${sum}`);
      }
    }
    const after = heap.bytes().subarray(scratch + bytes, scratch + bytes + 64);
    if (after.some((byte) => byte !== 0xff)) throw new Error("wrote beyond gemmScratchBytes");
  }

  describe("gemm", () => {
    const product = (maxSize: number, formats = [0, 1, 2]) =>
      fc.record({
        format: fc.constantFrom(...formats),
        transA: bit,
        transB: bit,
        M: fc.nat(maxSize),
        N: fc.nat(maxSize),
        K: fc.nat(maxSize),
        gaps: fc.tuple(fc.nat(3), fc.nat(3), fc.nat(3)),
        alpha: fc.constantFrom(1, -0.3, 7),
        accumulate: bit,
        seed: fc.nat(1000),
      });

    test("is right at every small size, form, format and distance of rows", () => {
      fc.assert(fc.property(product(19), checkProduct), { numRuns: 400 });
    });

    test("is right at sizes that cross its blocks", () => {
      const sizes = fc.constantFrom(95, 96, 97, 130, 255, 257, 513);
      const large = fc
        .tuple(product(1), sizes, sizes, sizes)
        .map(([p, M, N, K]) => ({ ...p, M, N, K: Math.min(K, 257) }));
      fc.assert(fc.property(large, checkProduct), { numRuns: 8 });
    });

    test("is right for few rows of long ones", () => {
      const rows = fc.tuple(product(1), fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1000, max: 1100 }));
      fc.assert(
        fc.property(rows, ([p, M, N]) => checkProduct({ ...p, M, N, K: 300 + (N % 7) })),
        { numRuns: 20 },
      );
    });

    test("gives zeros for K = 0, or leaves C when accumulating", () => {
      const c = heap.put([1, 2, 3, 4]);
      call("gemm", 0, 0, 2, 2, 0, 0, 0, 0, 2, c, 2, 1, 1, 0);
      expect(heap.floats(c, 4)).toEqual(new Float32Array([1, 2, 3, 4]));
      call("gemm", 0, 0, 2, 2, 0, 0, 0, 0, 2, c, 2, 1, 0, 0);
      expect(heap.floats(c, 4)).toEqual(new Float32Array(4));
    });

    test("lets NaN and infinity through, in their own row and column", () => {
      const a = new Float32Array(7 * 3).fill(1);
      const b = new Float32Array(3 * 9).fill(1);
      a[3 * 2] = Number.NaN; // row 2
      b[4] = Number.POSITIVE_INFINITY; // column 4
      const c = heap.allocate(7 * 9 * 4);
      const scratch = heap.allocate(call("gemmScratchBytes", 7, 9, 3));
      call("gemm", 0, 0, 7, 9, 3, heap.put(a), 3, heap.put(b), 9, c, 9, 1, 0, scratch);
      const got = Array.from(heap.floats(c, 63));
      const expected = got.map((_, i) =>
        Math.floor(i / 9) === 2 ? Number.NaN : i % 9 === 4 ? Number.POSITIVE_INFINITY : 3,
      );
      expect(got).toEqual(expected);
    });

    test("reads every finite f16, subnormals too, exactly", () => {
      const bits = Uint16Array.from({ length: 65536 }, (_, i) => i).filter((b) => (b & 0x7c00) !== 0x7c00);
      const exact = new Float32Array(new Float16Array(bits.buffer));
      const one = heap.put([1]);
      const b = heap.put(bits);
      const c = heap.allocate(bits.length * 4);
      call("gemmPackedB", 1, 0, 0, 1, bits.length, 1, one, 1, b, bits.length, c, bits.length, 1, 0, 0);
      expect(heap.floats(c, bits.length).map((x) => x + 0)).toEqual(exact.map((x) => x + 0));
      call("gemmPackedB", 1, 0, 1, 1, bits.length, 1, one, 1, b, 1, c, bits.length, 1, 0, 0);
      expect(heap.floats(c, bits.length).map((x) => x + 0)).toEqual(exact.map((x) => x + 0));
    });

    test("counts the f16 it cannot read", () => {
      const halves = new Float16Array([1, Number.NaN, -2, Number.NEGATIVE_INFINITY, 65504]);
      expect(call("countNonFiniteF16", heap.put(new Uint16Array(halves.buffer)), 5)).toBe(2);
    });

    test("gives the same bits whole or in tiles", () => {
      const [M, N, K] = [50, 70, 300];
      const a = heap.put(noise(M * K, 1));
      const b = heap.put(noise(K * N, 2));
      const [whole, tiles] = [heap.allocate(M * N * 4), heap.allocate(M * N * 4)];
      const scratch = heap.allocate(call("gemmScratchBytes", M, N, K));
      for (const form of [0, 1, 2, 3]) {
        const [transA, transB] = [form >> 1, form & 1];
        const [lda, ldb] = [transA ? M : K, transB ? K : N];
        call("gemm", transA, transB, M, N, K, a, lda, b, ldb, whole, N, 1, 0, scratch);
        for (const [r0, r1] of [
          [0, 24],
          [24, 50],
        ] as const) {
          for (const [c0, c1] of [
            [0, 33],
            [33, 70],
          ] as const) {
            call("gemmTile", 0, transA, transB, K, a, lda, b, ldb, tiles, N, 1, 0, scratch, r0, r1, c0, c1);
          }
        }
        expect(heap.floats(tiles, M * N)).toEqual(heap.floats(whole, M * N));
      }
    });

    test("multiplies batches, with one side shared where its stride is 0", () => {
      const [batch, M, N, K] = [3, 5, 9, 4];
      const a = noise(batch * M * K, 1);
      const b = noise(K * N, 2);
      const c = heap.allocate(batch * M * N * 4);
      const scratch = heap.allocate(call("gemmScratchBytes", M, N, K));
      const [pa, pb] = [heap.put(a), heap.put(b)];
      call("gemmBatched", 0, 0, M, N, K, pa, M * K, pb, 0, c, M * N, 0.5, 0, scratch, 0, batch);
      const expected = Array.from({ length: batch * M * N }, (_, i) => {
        const [row, n] = [Math.floor(i / N), i % N];
        let sum = 0;
        for (let k = 0; k < K; k++) sum += 0.5 * at(a, row * K + k) * at(b, k * N + n);
        return sum;
      });
      const got = heap.floats(c, batch * M * N);
      for (const [i, x] of expected.entries()) expect(got[i]).toBeCloseTo(x, 5);
    });
  });
});
