import {
  add,
  clone,
  keep,
  memory,
  mul,
  square,
  sum,
  tensor,
  tensor1d,
  withoutGradient,
} from "@corenet/tensor";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  broadcastPair,
  expectGradient,
  expectNoLeak,
  loadGolden,
  onEveryBackend,
  shape,
  sizeOf,
} from "./index.ts";

const ones = tensor1d([1, 1, 1, 1]); // made before any test; serves every backend

onEveryBackend(() => {
  test("compares with numbers, nested numbers and tensors", async () => {
    const x = tensor([
      [1, 2],
      [3, 4],
    ]);
    await expect(x).toBeAllClose([
      [1, 2],
      [3, 4],
    ]);
    await expect(x).toBeAllClose([1, 2, 3, 4]);
    await expect(x).toBeAllClose(Float32Array.of(1, 2, 3, 4.0001));
    await expect(x).toBeAllClose(add(x, 0));
    await expect(sum(x)).toBeAllClose(10);
    await expect(tensor([Number.NaN, Infinity])).toBeAllClose([Number.NaN, Infinity]);
    await expect(add(ones, ones)).toBeAllClose([2, 2, 2, 2]);
  });

  test("says where two tensors differ", async () => {
    const x = tensor([
      [1, 2],
      [3, 4],
    ]);
    await expect(x).not.toBeAllClose([1, 2, 3, 4.1]);
    await expect(expect(x).toBeAllClose([1, 2, 3, 4.1])).rejects.toThrow("1 of 4 elements of [2,2] differ");
    await expect(expect(x).toBeAllClose([1, 2, 3, 4.1])).rejects.toThrow("[1,1] 4, expected 4.1");
    await expect(expect(x).toBeAllClose([[1, 2, 3, 4]])).rejects.toThrow(
      "the shape is [2,2], expected [1,4]",
    );
    await expect(expect(x).toBeAllClose([1, 2, 3])).rejects.toThrow("got 4 elements [2,2], expected 3");
    await expect(expect(tensor([Infinity])).toBeAllClose([Number.NaN])).rejects.toThrow("expected NaN");
    await expect(expect(tensor(Int32Array.of(16777217))).toBeAllClose([16777216])).rejects.toThrow("differ");
  });

  test("finds leaks, synchronous and not", async () => {
    expectNoLeak(() => mul(ones, 2));
    expectNoLeak(() => ({ a: mul(ones, 2), b: [clone(ones)], c: 3 }));
    expect(() => expectNoLeak(() => void mul(ones, 2))).toThrow("tensors from");
    await expectNoLeak(async () => mul(ones, 2));
    await expect(expectNoLeak(async () => void mul(ones, 2))).rejects.toThrow(
      "expected the same before and after",
    );
  });

  test("tells a right gradient from a wrong one", async () => {
    const params = { a: tensor([0.5, -1, 2]), b: { c: tensor([[1], [2]]) } };
    type P = typeof params;
    await expectGradient((p: P) => mul(square(p.a), p.b.c), params);
    const wrong = (p: P) =>
      add(
        mul(
          p.a,
          withoutGradient(() => clone(p.a)),
        ),
        p.b.c,
      );
    await expect(expectGradient(wrong, params)).rejects.toThrow("a[0] has gradient");
  });

  describe("each test has a scope of its own", () => {
    let before = 0;
    test("in which it may make what it likes, across awaits", async () => {
      before = memory().numTensors;
      mul(ones, 2);
      await new Promise((resolve) => setTimeout(resolve, 5));
      mul(ones, 3);
      await expect(mul(ones, 4)).toBeAllClose([4, 4, 4, 4]);
      keep(mul(ones, 5)).dispose();
      expect(memory().numTensors).toBe(before + 3);
    });
    test("and nothing of it is left to the next", () => {
      expect(memory().numTensors).toBe(before);
    });
  });
});

test("shapes hold what they promise", () => {
  fc.assert(
    fc.property(shape({ maxRank: 4, minSide: 0 }), (sides) => sides.length <= 4 && sizeOf(sides) <= 600),
  );
  fc.assert(
    fc.property(broadcastPair(), ([a, b]) =>
      a.toReversed().every((side, i) => {
        const other = b.toReversed()[i] ?? 1;
        return side === other || side === 1 || other === 1;
      }),
    ),
  );
});

test("reads a golden file", async () => {
  const golden = await loadGolden("openelm/tiny");
  expect(golden.json.config.model_dim).toBe(48);
  expect(golden.tensors.get("input.tokens")?.shape).toEqual([2, 17]);
  expect(golden.tensor("input.tokens").dtype).toBe("int32");
  expect(golden.tensor("output.logits").shape).toEqual([2, 17, 97]);
  expect(() => golden.tensor("output.logit")).toThrow("openelm/tiny has no tensor output.logit");
  expect((await loadGolden("openelm/schedule")).tensors.size).toBe(0);
});
