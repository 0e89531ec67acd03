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
  const { call, inParts } = heap;
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
    const scratch = heap.allocate(call("gemmScratchBytes", M, N, K));
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
      const rows = fc.constantFrom(47, 48, 97, 130);
      const columns = fc.constantFrom(130, 257, 1025);
      const depths = fc.constantFrom(95, 512, 513);
      const large = fc.tuple(product(1), rows, columns, depths).map(([p, M, N, K]) => ({ ...p, M, N, K }));
      fc.assert(fc.property(large, checkProduct), { numRuns: 8 });
    });

    test("is right for few rows of long ones", () => {
      const rows = fc.tuple(product(1), fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1000, max: 1100 }));
      fc.assert(
        fc.property(rows, ([p, M, N]) => checkProduct({ ...p, M, N, K: 300 + (N % 7) })),
        { numRuns: 20 },
      );
    });

    test("gives a row the same bits alone as among up to eight, and a column alone as among many", () => {
      const sizes = fc.record({
        format: fc.constantFrom(0, 1, 2),
        transA: bit,
        M: fc.integer({ min: 2, max: 8 }),
        N: fc.integer({ min: 1, max: 40 }),
        K: fc.integer({ min: 1, max: 70 }),
        seed: fc.nat(1000),
      });
      const check = ({
        format,
        transA,
        M,
        N,
        K,
        seed,
      }: Pick<Product, "format" | "transA" | "M" | "N" | "K" | "seed">): void => {
        heap.reset();
        const a = heap.put(noise(M * K, seed));
        const values = noise(N * K, seed + 1);
        const b = heap.put(format === 0 ? values : toHalf(values, format).bits);
        const c = heap.allocate(4 * M * N);
        const [scratch, alone] = [
          heap.allocate(call("gemmScratchBytes", M, N, K)),
          heap.allocate(4 * Math.max(M, N)),
        ];
        const lda = transA ? M : K;
        call("gemmPackedB", format, transA, 1, M, N, K, a, lda, b, K, c, N, 1, 0, scratch);
        for (let m = 0; m < M; m++) {
          const row = a + 4 * m * (transA ? 1 : K);
          call("gemmPackedB", format, transA, 1, 1, N, K, row, lda, b, K, alone, N, 1, 0, scratch);
          expect(heap.floats(c + 4 * m * N, N)).toEqual(heap.floats(alone, N));
        }
        const column = N >> 1;
        const bytes = format === 0 ? 4 : 2;
        call(
          "gemmPackedB",
          format,
          transA,
          1,
          M,
          1,
          K,
          a,
          lda,
          b + bytes * K * column,
          K,
          alone,
          1,
          1,
          0,
          scratch,
        );
        for (let m = 0; m < M; m++)
          expect(at(heap.floats(c, M * N), m * N + column)).toBe(at(heap.floats(alone, M), m));
      };
      fc.assert(fc.property(sizes, check), { numRuns: 60 });
    });

    test("halves are right against numbers of every size, up to infinity", () => {
      for (const size of [1e-42, 1e-30, 1, 1e5, 1e30, 1e36]) {
        heap.reset();
        const x = noise(40, 3).map((value) => value * size);
        const half = toHalf(noise(40, 4), 1);
        const [a, b, c, scratch] = [heap.put(x), heap.put(half.bits), heap.allocate(4), heap.allocate(4096)];
        call("gemmPackedB", 1, 0, 1, 1, 1, 40, a, 40, b, 40, c, 1, 1, 0, scratch);
        const terms = [...x].map((value, k) => value * at(half.values, k));
        const sum = terms.reduce((total, term) => total + term, 0);
        const scale = terms.reduce((total, term) => total + Math.abs(term), 0);
        expect(Math.abs(at(heap.floats(c, 1), 0) - sum)).toBeLessThanOrEqual(1e-6 * scale + 40 * 2 ** -149);
      }
      for (const [bad, wanted] of [
        [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
        [Number.NaN, Number.NaN],
      ] as const) {
        heap.reset();
        const x = new Float32Array(9).fill(1);
        x[3] = bad;
        const [a, b] = [heap.put(x), heap.put(toHalf(new Float32Array(9).fill(1), 1).bits)];
        const [c, scratch] = [heap.allocate(4), heap.allocate(4096)];
        call("gemmPackedB", 1, 0, 1, 1, 1, 9, a, 9, b, 9, c, 1, 1, 0, scratch);
        expect(at(heap.floats(c, 1), 0)).toBe(wanted);
      }
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

  const small = fc.integer({ min: 1, max: 21 });
  const odd = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, -0, 1, -2];
  const floats = (length: number) =>
    fc.array(fc.oneof(fc.float(), fc.constantFrom(...odd)), { minLength: length, maxLength: length });

  describe("moving", () => {
    test("copyBlocks copies between strides and leaves the gaps", () => {
      const src = heap.put(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8));
      const dst = heap.put(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
      call("copyBlocks", src, 4, dst, 5, 2, 3);
      expect(Array.from(heap.bytes().subarray(dst, dst + 10))).toEqual([1, 2, 3, 0, 0, 5, 6, 7, 0, 0]);
    });

    test("gatherRows takes rows by id, zeros for an id below 0", () => {
      const rows = heap.put([1, 2, 3, 4, 5, 6]);
      const out = heap.allocate(4 * 8);
      inParts("gatherRows", 4, rows, heap.put(Int32Array.of(2, -1, 0, 2)), 8, out);
      expect(Array.from(heap.floats(out, 8))).toEqual([5, 6, 0, 0, 1, 2, 5, 6]);
    });

    test("segmentSum adds the rows of each id in their order, and skips ids outside", () => {
      fc.assert(
        fc.property(fc.nat(30), small, small, fc.nat(99), (n, D, segments, seed) => {
          heap.reset();
          const rows = noise(n * D, seed);
          const ids = Int32Array.from({ length: n }, (_, i) => ((seed + 7 * i) % (segments + 3)) - 1);
          const out = heap.allocate(segments * D * 4);
          call("segmentSum", heap.put(rows), heap.put(ids), n, D, out, segments);
          const expected = new Float32Array(segments * D);
          ids.forEach((id, i) => {
            if (id < 0 || id >= segments) return;
            for (let j = 0; j < D; j++) expected[id * D + j] = at(expected, id * D + j) + at(rows, i * D + j);
          });
          expect(heap.floats(out, segments * D)).toEqual(expected);
        }),
      );
    });

    test("select takes from a where the byte is not zero, whatever is in the other", () => {
      fc.assert(
        fc.property(fc.array(fc.nat(255), { maxLength: 19 }), fc.nat(99), (bytes, seed) => {
          heap.reset();
          const n = bytes.length;
          const cond = Uint8Array.from(bytes, (byte, i) => ((i + seed) % 2 ? byte : 0));
          const [a, b] = [noise(n, seed), new Float32Array(n).fill(Number.NaN)];
          const out = heap.allocate(n * 4);
          inParts("select", n, heap.put(cond), heap.put(a), heap.put(b), out);
          expect(heap.floats(out, n)).toEqual(a.map((x, i) => (cond[i] ? x : Number.NaN)));
        }),
      );
    });

    test("broadcastRows repeats a row", () => {
      const out = heap.allocate(3 * 3 * 4);
      inParts("broadcastRows", 3, heap.put([1, 2, 3]), 3, out);
      expect(Array.from(heap.floats(out, 9))).toEqual([1, 2, 3, 1, 2, 3, 1, 2, 3]);
    });

    test("stridedCopy broadcasts and transposes up to six axes", () => {
      const axis = fc.record({ size: fc.integer({ min: 1, max: 5 }), stride: fc.nat(20) });
      const axes = fc.tuple(
        axis,
        axis,
        axis,
        axis,
        axis,
        fc.record({ size: small, stride: fc.constantFrom(0, 1, 2, 7) }),
      );
      fc.assert(
        fc.property(axes, fc.nat(99), (list, seed) => {
          heap.reset();
          const sizes = list.map(({ size }) => size);
          const strides = list.map(({ stride }) => stride);
          const src = noise(
            1 + list.reduce((total, { size, stride }) => total + (size - 1) * stride, 0),
            seed,
          );
          const count = sizes.reduce((product, n) => product * n, 1);
          const out = heap.allocate(count * 4);
          inParts("stridedCopy", count / at(sizes, 5), heap.put(src), ...sizes.slice(1), ...strides, out);
          const expected = Float32Array.from({ length: count }, (_, i) => {
            let index = 0;
            for (let axis = 5, rest = i; axis >= 0; axis--) {
              index += (rest % at(sizes, axis)) * at(strides, axis);
              rest = Math.floor(rest / at(sizes, axis));
            }
            return at(src, index);
          });
          expect(heap.floats(out, count)).toEqual(expected);
        }),
      );
    });
  });

  describe("elementwise", () => {
    test("maximum and minimum are Math.max and Math.min: NaN wins, -0 is below 0", () => {
      fc.assert(
        fc.property(
          fc.nat(19).chain((n) => fc.tuple(floats(n), floats(n))),
          ([a, b]) => {
            heap.reset();
            const out = heap.allocate(a.length * 4);
            const [pa, pb] = [heap.put(a), heap.put(b)];
            inParts("maximum", a.length, pa, pb, out);
            expect(Array.from(heap.floats(out, a.length))).toEqual(a.map((x, i) => Math.max(x, at(b, i))));
            inParts("minimum", a.length, pa, pb, out);
            expect(Array.from(heap.floats(out, a.length))).toEqual(a.map((x, i) => Math.min(x, at(b, i))));
          },
        ),
      );
    });
  });

  describe("reductions", () => {
    test("sumRows and sumColumns match double precision", () => {
      fc.assert(
        fc.property(small, small, fc.integer({ min: 1, max: 75 }), fc.nat(99), (outer, K, inner, seed) => {
          heap.reset();
          const x = noise(outer * K * inner, seed);
          const src = heap.put(x);
          const [rows, columns] = [heap.allocate(outer * K * 4), heap.allocate(outer * inner * 4)];
          inParts("sumRows", outer * K, src, inner, rows);
          inParts("sumColumns", outer, src, K, inner, columns);
          const [wantRows, wantColumns] = [new Float64Array(outer * K), new Float64Array(outer * inner)];
          x.forEach((value, i) => {
            const row = Math.floor(i / inner);
            const column = Math.floor(row / K) * inner + (i % inner);
            wantRows[row] = at(wantRows, row) + value;
            wantColumns[column] = at(wantColumns, column) + value;
          });
          expect(heap.floats(rows, outer * K)).toEqual(new Float32Array(wantRows));
          const got = heap.floats(columns, outer * inner);
          wantColumns.forEach((want, i) => {
            expect(Math.abs(at(got, i) - want)).toBeLessThan(3e-7 * 2 * K); // every magnitude is at most 2
          });
        }),
      );
    });

    test("a million times 0.1 is a million times 0.1", () => {
      const n = 1_000_000;
      const src = heap.put(new Float32Array(n).fill(0.1));
      const out = heap.allocate(160);
      const expected = Math.fround(0.1) * n;
      call("sumRows", src, n, out, 0, 1);
      expect(Math.abs(at(heap.floats(out, 1), 0) / expected - 1)).toBeLessThan(1e-7);
      call("sumColumns", src, n / 40, 40, out, 0, 1);
      for (const x of heap.floats(out, 40)) expect(Math.abs((40 * x) / expected - 1)).toBeLessThan(3e-7);
    });

    test("sumSquares is exact where float32 would overflow", () => {
      expect(
        call("sumSquares", heap.put([3e38, 3e38, 3e38, 3e38, 3e38]), 5) / (5 * Math.fround(3e38) ** 2),
      ).toBe(1);
      expect(call("sumSquares", 0, 0)).toBe(0);
    });

    test("countNonFinite counts infinities and NaN", () => {
      fc.assert(
        fc.property(fc.nat(19).chain(floats), (values) => {
          heap.reset();
          const expected = values.filter((x) => !Number.isFinite(x)).length;
          expect(call("countNonFinite", heap.put(values), values.length)).toBe(expected);
        }),
      );
    });
  });
});
