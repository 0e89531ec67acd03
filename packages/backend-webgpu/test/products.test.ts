// Products large enough for each of the programs, against sums in double precision.
import { matMul, type Tensor, tensor } from "@corenet/tensor";
import { describe, expect, test } from "vitest";
import { onBackend } from "../../../tools/testing/index.ts";

const noise = (size: number, seed: number): Float32Array => {
  let state = seed;
  return Float32Array.from({ length: size }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
};

interface Product {
  readonly batch: number;
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

function expected(
  a: Float32Array,
  b: Float32Array,
  { batch, M, N, K }: Product,
  turnA: boolean,
  turnB: boolean,
) {
  const c = new Float32Array(batch * M * N);
  for (let i = 0; i < c.length; i++) {
    const [n, m, z] = [i % N, Math.floor(i / N) % M, Math.floor(i / (M * N))];
    let total = 0;
    for (let k = 0; k < K; k++) {
      const left = a[z * M * K + (turnA ? k * M + m : m * K + k)] as number;
      total += left * (b[z * K * N + (turnB ? n * K + k : k * N + n)] as number);
    }
    c[i] = total;
  }
  return c;
}

const products: [string, Product][] = [
  ["tiles of 64, with remainders", { batch: 1, M: 261, N: 259, K: 33 }],
  ["tiles of 32, in a batch", { batch: 3, M: 70, N: 30, K: 350 }],
  ["a few rows", { batch: 2, M: 3, N: 37, K: 131 }],
  ["one row", { batch: 1, M: 1, N: 66, K: 257 }],
  ["each number by itself", { batch: 2, M: 9, N: 7, K: 5 }],
];

onBackend("webgpu", () => {
  describe.each(products)("%s", (_, product) => {
    test.each([
      [false, false],
      [false, true],
      [true, false],
      [true, true],
    ])("A turned %s, B turned %s", async (transposeA, transposeB) => {
      const { batch, M, N, K } = product;
      const [a, b] = [noise(batch * M * K, 1), noise(batch * K * N, 2)];
      const left: Tensor = tensor(a, transposeA ? [batch, K, M] : [batch, M, K]);
      const right: Tensor = tensor(b, transposeB ? [batch, N, K] : [batch, K, N]);
      const wanted = expected(a, b, product, transposeA, transposeB);
      await expect(matMul(left, right, { transposeA, transposeB })).toBeAllClose(wanted, { atol: 2e-5 });
    });
  });
});
