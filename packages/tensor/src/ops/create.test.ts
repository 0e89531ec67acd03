import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { onEveryBackend, shape, sizeOf, values } from "../../../../tools/testing/index.ts";
import type { DType } from "../types.ts";
import { fill, ones, range, scalar, tensor, tensor1d, zeros, zerosLike } from "./create.ts";

onEveryBackend(() => {
  test("tensor holds any float32 in any shape", async () => {
    const array = shape({ minSide: 0 }).chain((sides) =>
      fc.tuple(fc.constant(sides), values(sizeOf(sides), { extremes: true })),
    );
    await fc.assert(
      fc.asyncProperty(array, async ([sides, data]) => {
        await expect(tensor(data, sides)).toBeAllClose({ shape: sides, data }, { atol: 0, rtol: 0 });
      }),
    );
  });

  test("tensor reads the shape off nested numbers", async () => {
    expect(tensor([[[1, 2]], [[3, 4]], [[5, 6]]]).shape).toEqual([3, 1, 2]);
    expect(tensor(3).shape).toEqual([]);
    expect(tensor([]).shape).toEqual([0]);
    expect(tensor([[], []]).shape).toEqual([2, 0]);
    expect(tensor([1, 2, 3, 4], [2, 2]).shape).toEqual([2, 2]);
    await expect(
      tensor(
        [
          [1, 2],
          [3, 4],
        ],
        [4],
      ),
    ).toBeAllClose([1, 2, 3, 4]);
  });

  test("the dtype is the typed array's, else float32", () => {
    expect(tensor([1]).dtype).toBe("float32");
    expect(tensor(Int32Array.of(1)).dtype).toBe("int32");
    expect(tensor(Uint8Array.of(1)).dtype).toBe("bool");
    expect(tensor([1], [1], "int32").dtype).toBe("int32");
  });

  test("int32 is exact to the last bit, bool is 0 or 1", async () => {
    const edges = Int32Array.of(16777217, -(2 ** 31), 2 ** 31 - 1);
    await expect(tensor(edges)).toBeAllClose(edges);
    await expect(tensor([16777217], [1], "int32")).toBeAllClose([16777217]);
    await expect(tensor(Uint8Array.of(0, 7, 255))).toBeAllClose([0, 1, 1]);
  });

  test("the values are copied", async () => {
    const source = Float32Array.of(1, 2);
    const x = tensor(source);
    source[0] = 9;
    await expect(x).toBeAllClose([1, 2]);
  });

  describe.each(["float32", "int32", "bool"] as DType[])("on %s", (dtype) => {
    test("fill, zeros, ones, zerosLike, scalar", async () => {
      for (const sides of [[], [3], [2, 0], [2, 3], [1, 2, 1, 2, 1, 2]]) {
        const size = sizeOf(sides);
        await expect(fill(sides, 1, dtype)).toBeAllClose({ shape: sides, data: Array(size).fill(1) });
        await expect(ones(sides, dtype)).toBeAllClose({ shape: sides, data: Array(size).fill(1) });
        await expect(zeros(sides, dtype)).toBeAllClose({ shape: sides, data: Array(size).fill(0) });
        expect(fill(sides, 1, dtype).dtype).toBe(dtype);
      }
      const like = zerosLike(ones([2, 3], dtype));
      expect(like.dtype).toBe(dtype);
      await expect(like).toBeAllClose({ shape: [2, 3], data: Array(6).fill(0) });
      await expect(scalar(1, dtype)).toBeAllClose(1);
    });
  });

  test("fill keeps every bit", async () => {
    await expect(fill([2], 16777217, "int32")).toBeAllClose([16777217, 16777217]);
    await expect(fill([1], Number.NaN)).toBeAllClose([Number.NaN]);
    await expect(fill([1], -Infinity)).toBeAllClose([-Infinity]);
    await expect(fill([1], 5, "bool")).toBeAllClose([1]);
  });

  test("range counts", async () => {
    await expect(range(2, 5)).toBeAllClose([2, 3, 4]);
    await expect(range(-1, 2, "float32")).toBeAllClose([-1, 0, 1]);
    await expect(range(3, 3)).toBeAllClose([]);
    expect(range(0, 2).dtype).toBe("int32");
  });

  test("they refuse what they cannot hold", () => {
    expect(() => tensor([1, 2, 3], [2, 2])).toThrow("tensor: got 3 values for the shape [2, 2], expected 4.");
    expect(() => tensor([1], [-1])).toThrow("tensor: got 1 values for the shape [-1]");
    expect(() => tensor([], [0.5, 0])).toThrow("for the shape [0.5, 0]");
    expect(() => tensor([[1, 2], [3]])).toThrow("tensor: rows of shape [2] and [1] stand side by side.");
    expect(() => tensor([[1], 2] as never)).toThrow("tensor: rows of shape [1] and [] stand side by side.");
    expect(() => tensor(["a"] as never)).toThrow("tensor: found a string, expected numbers in arrays.");
    expect(() => tensor(null as never)).toThrow("tensor: found null");
    expect(() => tensor([2 ** 31], [1], "int32")).toThrow(
      "tensor: value 0 is 2147483648, expected an int32.",
    );
    expect(() => tensor1d([0.5], "int32")).toThrow("value 0 is 0.5");
    expect(() => tensor([1], [1], "float64" as never)).toThrow("float64");
    expect(() => fill([-1], 0)).toThrow("fill: the shape is [-1], expected non-negative integers.");
    expect(() => fill([1], 0.5, "int32")).toThrow("0.5");
    expect(() => zeros([1.5])).toThrow("the shape is [1.5]");
    expect(() => range(3, 2)).toThrow("range: got 3 to 2, expected integers with start <= stop.");
    expect(() => range(0, 1.5)).toThrow("range: got 0 to 1.5");
  });
});
