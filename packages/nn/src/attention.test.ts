import {
  concat,
  matMul,
  mul,
  reshape,
  slice,
  softmax,
  split,
  type Tensor1D,
  type Tensor2D,
  type Tensor4D,
  tensor,
  transpose,
} from "@corenet/tensor";
import { describe, expect, test } from "vitest";
import { expectGradient, expectNoLeak, loadGolden, onEveryBackend } from "../../../tools/testing/index.ts";
import { attention } from "./attention.ts";
import { linear } from "./linear.ts";
import { rmsNorm } from "./rms-norm.ts";
import { rope, ropeTables } from "./rope.ts";

const golden = await loadGolden("openelm/modules");
const tiny = await loadGolden("openelm/tiny");

type Shape = [number, number, number, number];
const random = (shape: Shape, seed: number): Tensor4D => {
  const size = shape.reduce((n, side) => n * side, 1);
  const next = (i: number) => 1.5 * Math.sin((i + 1) * (seed + 0.7) * 1.618);
  return tensor(
    Float32Array.from({ length: size }, (_, i) => next(i)),
    shape,
  );
};
const heads = (x: Tensor4D, from: number, count: number): Tensor4D => {
  const [B, , S, d] = x.shape;
  return slice(x, [0, from, 0, 0], [B, count, S, d]);
};

onEveryBackend(() => {
  test("is softmax(q kᵀ / √d) v", async () => {
    const [q, k, v] = [random([2, 3, 4, 8], 1), random([2, 3, 6, 8], 2), random([2, 3, 6, 8], 3)];
    const weights = softmax(mul(matMul(q, k, { transposeB: true }), 8 ** -0.5));
    await expect(attention(q, k, v)).toBeAllClose(matMul(weights, v), { atol: 1e-5 });
  });

  test("by hand: two keys, one query", async () => {
    const q = tensor([1, 0], [1, 1, 1, 2]);
    const k = tensor([Math.SQRT2 * Math.log(3), 0, 0, 5], [1, 1, 2, 2]);
    const v = tensor([1, 0, 0, 1], [1, 1, 2, 2]);
    await expect(attention(q, k, v)).toBeAllClose([0.75, 0.25], { atol: 1e-6 });
  });

  test("matches the reference's layer: q and k normalized, rotated, four heads on two", async () => {
    const param = (name: string) => tiny.tensor(`param.layers.1.attn.${name}.weight`);
    const x = golden.tensor("input.hidden");
    const qkv = reshape(linear(x, param("qkv_proj") as Tensor2D), [2, 7, 8, 16]);
    const [q, k, v] = split(transpose(qkv, [0, 2, 1, 3]), [4, 2, 2], { axis: 1 }) as [
      Tensor4D,
      Tensor4D,
      Tensor4D,
    ];
    const keys = rmsNorm(k, param("k_norm") as Tensor1D);
    await expect(keys).toBeAllClose(golden.tensor("output.attention_keys"), { atol: 2e-5 });
    await expect(v).toBeAllClose(golden.tensor("output.attention_values"), { atol: 2e-5 });
    const tables = ropeTables({ headDim: 16, length: 7 });
    const queries = rope(rmsNorm(q, param("q_norm") as Tensor1D), tables);
    const y = attention(queries, rope(keys, tables), v, { causal: true });
    const merged = reshape(transpose(y, [0, 2, 1, 3]), [2, 7, 64]);
    const out = linear(merged, param("out_proj") as Tensor2D);
    await expect(out).toBeAllClose(golden.tensor("output.attention"), { atol: 2e-5 });
  });

  describe("grouped queries", () => {
    const [H, Hkv] = [6, 2];

    test("query head h reads key-value head ⌊h / g⌋", async () => {
      const [q, k, v] = [random([1, H, 3, 4], 1), random([1, Hkv, 3, 4], 2), random([1, Hkv, 3, 4], 3)];
      const y = attention(q, k, v);
      const alone = (h: number, kv: number) => attention(heads(q, h, 1), heads(k, kv, 1), heads(v, kv, 1));
      for (let h = 0; h < H; h++) {
        await expect(heads(y, h, 1)).toBeAllClose(alone(h, Math.floor(h / (H / Hkv))), { atol: 1e-6 });
      }
      await expect(heads(y, 1, 1)).not.toBeAllClose(alone(1, 1 % Hkv), { atol: 1e-2 }); // not tiled
    });

    test("with one key-value head for each query head it is plain multi-head attention", async () => {
      const [q, k, v] = [random([2, H, 3, 4], 1), random([2, Hkv, 5, 4], 2), random([2, Hkv, 5, 4], 3)];
      const repeat = (x: Tensor4D) =>
        concat(
          Array.from({ length: H }, (_, h) => heads(x, Math.floor(h / (H / Hkv)), 1)),
          { axis: 1 },
        );
      await expect(attention(q, k, v)).toBeAllClose(attention(q, repeat(k), repeat(v)), { atol: 1e-6 });
    });

    test("all query heads may share one", async () => {
      const [q, k, v] = [random([1, H, 3, 4], 1), random([1, 1, 3, 4], 2), random([1, 1, 3, 4], 3)];
      const last = attention(heads(q, H - 1, 1), k, v);
      await expect(heads(attention(q, k, v), H - 1, 1)).toBeAllClose(last, { atol: 1e-6 });
    });
  });

  describe("what a query sees", () => {
    const [B, H, Hkv, S, d] = [2, 4, 2, 6, 4];
    const make = (T: number) => ({
      q: random([B, H, T, d], 1),
      k: random([B, Hkv, S, d], 2),
      v: random([B, Hkv, S, d], 3),
    });
    const times = (x: Tensor4D, from: number, count: number): Tensor4D => {
      const [b, h, , w] = x.shape;
      return slice(x, [0, 0, from, 0], [b, h, count, w]);
    };

    test("causal: the queries are the last positions, and see none behind them", async () => {
      const { q, k, v } = make(3);
      const y = attention(q, k, v, { causal: true });
      for (let t = 0; t < 3; t++) {
        const seen = S - 3 + t + 1;
        const alone = attention(times(q, t, 1), times(k, 0, seen), times(v, 0, seen));
        await expect(times(y, t, 1)).toBeAllClose(alone, { atol: 1e-6 });
      }
    });

    test("length: what lies behind it in a buffer does not count", async () => {
      const { q, k, v } = make(2);
      for (const causal of [false, true]) {
        const y = attention(q, k, v, { causal, length: 4 });
        const expected = attention(q, times(k, 0, 4), times(v, 0, 4), { causal });
        await expect(y).toBeAllClose(expected, { atol: 1e-6 });
      }
    });

    test("not even when it is NaN", async () => {
      const { q, k, v } = make(2);
      const nan = tensor(new Float32Array(B * Hkv * 2 * d).fill(Number.NaN), [B, Hkv, 2, d]);
      const dirty = (x: Tensor4D) => concat([times(x, 0, 4), nan], { axis: 2 });
      const y = attention(q, dirty(k), dirty(v), { length: 4 });
      await expect(y).toBeAllClose(attention(q, k, v, { length: 4 }), { atol: 1e-6 });
    });

    test("validFrom: what stands before it in each row does not count", async () => {
      const { q, k, v } = make(2);
      const y = attention(q, k, v, { causal: true, validFrom: [0, 3] });
      const whole = attention(q, k, v, { causal: true });
      const cut = attention(q, times(k, 3, 3), times(v, 3, 3), { causal: true });
      const row = (x: Tensor4D, b: number) => slice(x, [b, 0, 0, 0], [1, H, 2, d]);
      await expect(row(y, 0)).toBeAllClose(row(whole, 0), { atol: 1e-6 });
      await expect(row(y, 1)).toBeAllClose(row(cut, 1), { atol: 1e-6 });
    });

    test("documents: each of a row sees itself alone", async () => {
      const { q, k, v } = make(S);
      const documents = [
        [0, 1, 4],
        [0, 3],
      ];
      const y = attention(q, k, v, { causal: true, documents });
      for (const [b, starts] of documents.entries()) {
        for (const [i, start] of starts.entries()) {
          const count = (starts[i + 1] ?? S) - start;
          const part = (x: Tensor4D) => slice(x, [b, 0, start, 0], [1, -1, count, -1]);
          const alone = attention(part(q), part(k), part(v), { causal: true });
          await expect(part(y)).toBeAllClose(alone, { atol: 1e-6 });
        }
      }
      const lastTwo = attention(times(q, 4, 2), k, v, { causal: true, documents }); // their place is among the keys
      await expect(lastTwo).toBeAllClose(times(y, 4, 2), { atol: 1e-6 });
    });

    test("a query that sees no key gets zeros", async () => {
      const [q, k, v] = [random([2, 2, 3, 4], 1), random([2, 2, 3, 4], 2), random([2, 2, 3, 4], 3)];
      const y = attention(q, k, v, { causal: true, validFrom: [0, 2] });
      const hidden = slice(y, [1, 0, 0, 0], [1, 2, 2, 4]);
      await expect(hidden).toBeAllClose(Array(16).fill(0), { atol: 0, rtol: 0 });
      const first = slice(y, [1, 0, 2, 0], [1, 2, 1, 4]);
      await expect(first).toBeAllClose(slice(v, [1, 0, 2, 0], [1, 2, 1, 4]), { atol: 1e-6 });
      const none = attention(q, k, v, { validFrom: [3, 5] });
      await expect(none).toBeAllClose(Array(48).fill(0), { atol: 0, rtol: 0 });
    });

    test("large scores do not overflow", async () => {
      const { q, k, v } = make(2);
      const y = attention(mul(q, 1000), mul(k, 1000), v, { causal: true });
      const weights = attention(mul(q, 1000), mul(k, 1000), mul(v, 0), { causal: true });
      expect(y.shape).toEqual([B, H, 2, d]);
      await expect(weights).toBeAllClose(Array(B * H * 2 * d).fill(0));
    });
  });

  describe("gradients", () => {
    const params = () => ({
      q: random([2, 4, 2, 4], 1),
      k: random([2, 2, 4, 4], 2),
      v: random([2, 2, 4, 4], 3),
    });
    type P = ReturnType<typeof params>;

    test("of q, k and v, all keys seen", () => expectGradient((p: P) => attention(p.q, p.k, p.v), params()));
    test("causal, in a buffer, with padding", () =>
      expectGradient(
        (p: P) => attention(p.q, p.k, p.v, { causal: true, length: 3, validFrom: [0, 2] }),
        params(),
      ));
    test("of documents", () =>
      expectGradient(
        (p: P) =>
          attention(p.q, p.k, p.v, {
            causal: true,
            documents: [
              [0, 3],
              [0, 2, 3],
            ],
          }),
        params(),
      ));
  });

  test("says what does not fit", () => {
    const [q, k, v] = [random([2, 4, 2, 4], 1), random([2, 2, 4, 4], 2), random([2, 2, 4, 4], 3)];
    expect(() => attention(q, random([2, 3, 4, 4], 1), random([2, 3, 4, 4], 1))).toThrow(
      "attention: 4 query heads share 3 key-value heads, expected a divisor of 4.",
    );
    expect(() => attention(q, random([1, 2, 4, 4], 1), v)).toThrow("attention: k has shape [1, 2, 4, 4]");
    expect(() => attention(q, k, random([2, 2, 3, 4], 1))).toThrow("Keys and values come in pairs.");
    expect(() => attention(q, k, v, { length: 5 })).toThrow("attention: length is 5, expected 1 to 4.");
    expect(() => attention(q, k, v, { causal: true, length: 1 })).toThrow("no fewer than the 2 queries");
    expect(() => attention(q, k, v, { length: 1.5 })).toThrow("length is 1.5");
    expect(() => attention(q, k, v, { validFrom: [0] })).toThrow("validFrom has 1 starts");
    expect(() => attention(q, k, v, { validFrom: [0, -1] })).toThrow(
      "validFrom is [0, -1], expected integers",
    );
    expect(() => attention(q, k, v, { validFrom: [0.5, 1] })).toThrow("validFrom is [0.5, 1]");
    const packed = (documents: number[][]) => () => attention(q, k, v, { causal: true, documents });
    expect(packed([[0]])).toThrow("documents has 1 rows of starts, expected one for each of 2 rows");
    expect(packed([[0], [1]])).toThrow(
      "documents[1] is [1], expected ascending integers from 0 to 3, the first 0.",
    );
    expect(packed([[0, 2, 2], [0]])).toThrow("documents[0] is [0, 2, 2]");
    expect(packed([[0, 4], [0]])).toThrow("documents[0] is [0, 4]");
    expect(packed([[], [0]])).toThrow("documents[0] is []");
    expect(() => attention(q, k, v, { documents: [[0], [0]] })).toThrow("got documents without causal: true");
    expect(() => attention(q, k, v, { causal: true, documents: [[0], [0]], validFrom: [0, 0] })).toThrow(
      "got documents and validFrom",
    );
    const ints = tensor(new Int32Array(64), [2, 4, 2, 4]) as Tensor4D;
    expect(() => attention(ints, k, v)).toThrow("attention: q is int32");
  });

  test("frees its intermediates", () => {
    const [q, k, v] = [random([2, 4, 2, 4], 1), random([2, 2, 4, 4], 2), random([2, 2, 4, 4], 3)];
    expectNoLeak(() => attention(q, k, v, { causal: true, validFrom: [0, 1] }));
  });
});
