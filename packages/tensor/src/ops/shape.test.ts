import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  expectGradient,
  expectNoLeak,
  onEveryBackend,
  shape,
  sizeOf,
} from "../../../../tools/testing/index.ts";
import { at, broadcast, build, type Grid } from "../../test/oracle.ts";
import type { DType, Tensor } from "../types.ts";
import { tensor } from "./create.ts";
import { broadcastTo, cast, clone, concat, pad, reshape, slice, split, transpose } from "./shape.ts";

const dtypes: DType[] = ["float32", "int32", "bool"];

/** Counts up from 16777217, which float32 cannot hold, where the dtype can. */
function counting(sides: readonly number[], dtype: DType): Grid {
  const first = { float32: 1, int32: 16777217, bool: 0 }[dtype];
  return {
    shape: sides,
    data: Array.from({ length: sizeOf(sides) }, (_, i) =>
      dtype === "bool" ? Number(i % 3 === 0) : first + i,
    ),
  };
}
const make = ({ data, shape: sides }: Grid, dtype: DType): Tensor => tensor([...data], sides, dtype);
const some = (sides: readonly number[]): Tensor =>
  tensor(
    Float32Array.from({ length: sizeOf(sides) }, (_, i) => Math.sin(i + 1)),
    sides,
  );
const gone = (): Tensor => {
  const x = tensor([1]);
  x.dispose();
  return x;
};

onEveryBackend(() => {
  describe.each(dtypes)("on %s", (dtype) => {
    const sides = (minSide = 0, minRank = 1) => shape({ minRank, minSide, maxSide: 7, maxSize: 400 });

    test("reshape keeps the elements", async () => {
      const x = counting([2, 3, 4], dtype);
      await expect(reshape(make(x, dtype), [4, 6])).toBeAllClose({ shape: [4, 6], data: x.data });
      await expect(reshape(make(x, dtype), [-1, 8])).toBeAllClose({ shape: [3, 8], data: x.data });
      await expect(reshape(make(x, dtype), [1, 2, 3, 2, 1, 2])).toBeAllClose({
        shape: [1, 2, 3, 2, 1, 2],
        data: x.data,
      });
      expect(reshape(make(x, dtype), [24]).dtype).toBe(dtype);
    });

    test("transpose moves any axes", async () => {
      const permuted = sides().chain((s) =>
        fc.tuple(
          fc.constant(s),
          fc.shuffledSubarray(
            s.map((_, i) => i),
            { minLength: s.length },
          ),
        ),
      );
      await fc.assert(
        fc.asyncProperty(permuted, async ([s, perm]) => {
          const x = counting(s, dtype);
          const wanted = build(
            perm.map((axis) => s[axis] as number),
            (i) =>
              at(
                x,
                s.map((_, axis) => i[perm.indexOf(axis)] as number),
              ),
          );
          const y = transpose(make(x, dtype), perm);
          expect(y.dtype).toBe(dtype);
          await expect(y).toBeAllClose(wanted);
        }),
        { numRuns: 60 },
      );
    });

    test("slice takes any block", async () => {
      const block = sides().chain((s) =>
        fc.tuple(
          fc.constant(s),
          fc.tuple(
            ...s.map((side) =>
              fc
                .tuple(fc.nat(side), fc.nat(side))
                .map(([a, b]) => [Math.min(a, b), Math.abs(a - b)] as const),
            ),
          ),
        ),
      );
      await fc.assert(
        fc.asyncProperty(block, async ([s, cuts]) => {
          const x = counting(s, dtype);
          const wanted = build(
            cuts.map(([, n]) => n),
            (i) =>
              at(
                x,
                i.map((n, axis) => n + (cuts[axis]?.[0] ?? 0)),
              ),
          );
          const y = slice(
            make(x, dtype),
            cuts.map(([b]) => b),
            cuts.map(([, n]) => n),
          );
          expect(y.dtype).toBe(dtype);
          // a side of 1 in x repeats in the oracle, so only a block inside x reaches it
          await expect(y).toBeAllClose(wanted);
        }),
        { numRuns: 60 },
      );
    });

    test("split cuts, concat joins again", async () => {
      const cut = sides(1).chain((s) =>
        fc.nat(s.length - 1).chain((axis) =>
          fc.array(fc.integer({ min: 1, max: s[axis] as number }), { maxLength: 4 }).map((ends) => ({
            s,
            axis,
            ends: [...new Set([...ends, s[axis] as number])].sort((a, b) => a - b),
          })),
        ),
      );
      await fc.assert(
        fc.asyncProperty(cut, async ({ s, axis, ends }) => {
          const x = counting(s, dtype);
          const sizes = ends.map((end, i) => end - (ends[i - 1] ?? 0));
          const pieces = split(make(x, dtype), sizes, { axis });
          for (const [i, piece] of pieces.entries()) {
            const from = ends[i - 1] ?? 0;
            const shapeOfPiece = s.map((side, n) => (n === axis ? (sizes[i] as number) : side));
            await expect(piece).toBeAllClose(
              build(shapeOfPiece, (index) =>
                at(
                  x,
                  index.map((n, a) => (a === axis ? n + from : n)),
                ),
              ),
            );
          }
          const joined = concat(pieces, { axis: axis - s.length });
          expect(joined.dtype).toBe(dtype);
          await expect(joined).toBeAllClose(x);
        }),
        { numRuns: 60 },
      );
    });

    test("concat skips empty pieces, takes ten, and joins nothing to nothing", async () => {
      const x = make(counting([2, 3], dtype), dtype);
      const empty = make(counting([2, 0], dtype), dtype);
      await expect(concat([empty, x, empty], { axis: 1 })).toBeAllClose(x);
      await expect(concat([empty, empty], { axis: 0 })).toBeAllClose({ shape: [4, 0], data: [] });
      const ten = Array.from({ length: 10 }, () => x);
      const { data } = counting([2, 3], dtype);
      await expect(concat(ten)).toBeAllClose({ shape: [20, 3], data: ten.flatMap(() => data) });
    });

    test("broadcastTo repeats any side", async () => {
      const thin = sides().chain((s) =>
        fc.tuple(
          fc.constant(s),
          fc.array(fc.boolean(), { minLength: s.length, maxLength: s.length }),
          fc.nat(s.length - 1),
        ),
      );
      await fc.assert(
        fc.asyncProperty(thin, async ([s, ones, missing]) => {
          const own = s.map((side, i) => (ones[i] ? 1 : side)).slice(missing);
          const x = counting(own, dtype);
          const y = broadcastTo(make(x, dtype), s);
          expect(y.dtype).toBe(dtype);
          await expect(y).toBeAllClose(
            build(
              broadcast(s, own).map((_, i) => s[i] as number),
              (i) => at(x, i),
            ),
          );
        }),
        { numRuns: 60 },
      );
    });

    test("clone is a tensor of its own", async () => {
      const x = make(counting([2, 3], dtype), dtype);
      const y = clone(x);
      x.dispose();
      await expect(y).toBeAllClose(counting([2, 3], dtype));
    });
  });

  test("pad surrounds with a value", async () => {
    const padded = shape({ minRank: 1, maxRank: 4, maxSide: 4 }).chain((s) =>
      fc.tuple(
        fc.constant(s),
        fc.array(fc.tuple(fc.nat(3), fc.nat(3)), { minLength: s.length, maxLength: s.length }),
      ),
    );
    await fc.assert(
      fc.asyncProperty(padded, async ([s, paddings]) => {
        const x = counting(s, "float32");
        const wanted = build(
          s.map((side, i) => side + (paddings[i]?.[0] ?? 0) + (paddings[i]?.[1] ?? 0)),
          (index) => {
            const own = index.map((n, i) => n - (paddings[i]?.[0] ?? 0));
            return own.every((n, i) => n >= 0 && n < (s[i] as number)) ? at(x, own) : -7.5;
          },
        );
        await expect(pad(make(x, "float32"), paddings, { value: -7.5 })).toBeAllClose(wanted);
      }),
      { numRuns: 40 },
    );
    await expect(pad(tensor([1, 2]), [[1, 0]])).toBeAllClose([0, 1, 2]);
  });

  test("cast cuts off fractions, and calls every number but 0 true", async () => {
    const x = tensor([0.5, 2, 256, -1, 0, -2.9]);
    await expect(cast(x, "bool")).toBeAllClose([1, 1, 1, 1, 0, 1]);
    await expect(cast(x, "int32")).toBeAllClose([0, 2, 256, -1, 0, -2]);
    const int = tensor(Int32Array.of(0, 2, 256, -1, 16777217));
    await expect(cast(int, "bool")).toBeAllClose([0, 1, 1, 1, 1]);
    await expect(cast(int, "float32")).toBeAllClose([0, 2, 256, -1, 16777216]);
    await expect(cast(tensor(Uint8Array.of(0, 1)), "int32")).toBeAllClose([0, 1]);
    await expect(cast(tensor(Uint8Array.of(0, 1)), "float32")).toBeAllClose([0, 1]);
    for (const dtype of dtypes) {
      expect(cast(x, dtype).dtype).toBe(dtype);
      await expect(cast(tensor([], [0, 2]), dtype)).toBeAllClose({ shape: [0, 2], data: [] });
    }
    await expect(cast(tensor([Number.NaN]), "bool")).toBeAllClose([1]); // NaN ≠ 0
  });

  test("every one has the gradient", async () => {
    const x = some([2, 3, 4]);
    await expectGradient((p: Tensor) => reshape(p, [6, 4]), x);
    await expectGradient((p: Tensor) => transpose(p, [2, 0, 1]), x);
    await expectGradient((p: Tensor) => transpose(p), x);
    await expectGradient((p: Tensor) => slice(p, [0, 1, 1], [2, -1, 2]), x);
    await expectGradient((p: Tensor) => slice(p, [0, 1, 1], [2, 0, 2]), x);
    await expectGradient(
      (p: Tensor) =>
        pad(
          p,
          [
            [1, 0],
            [0, 0],
            [2, 3],
          ],
          { value: 5 },
        ),
      x,
    );
    await expectGradient((p: Tensor) => clone(p), x);
    await expectGradient((p: Tensor) => cast(p, "float32"), x);
    await expectGradient((p: Tensor) => broadcastTo(reshape(p, [2, 1, 3, 4]), [5, 2, 3, 3, 4]), x);
    await expectGradient((p: Tensor) => concat([p, some([2, 2, 4]), p], { axis: 1 }), x);
    await expectGradient((p: Tensor) => concat([p, tensor([], [2, 0, 4])], { axis: 1 }), x);
    await expectGradient((p: Tensor) => split(p, [1, 2], { axis: 1 })[1] as Tensor, x);
    await expectGradient((p: Tensor) => concat(split(p, [1, 3], { axis: 2 }).reverse(), { axis: 2 }), x);
    await expectGradient((p: Tensor) => slice(p, [1, 0, 1, 0, 1], [1, 1, 1, 2, 1]), some([2, 2, 2, 2, 2]));
  });

  test("they free their intermediates", () => {
    const x = some([2, 3, 4]);
    expectNoLeak(() => [
      reshape(x, [24]),
      transpose(x),
      transpose(x, [0, 1, 2]),
      clone(x),
      cast(x, "bool"),
      cast(x, "float32"),
    ]);
    expectNoLeak(() => [
      slice(x, [0, 0, 0], [1, 1, 1]),
      pad(x, [
        [1, 1],
        [0, 0],
        [0, 0],
      ]),
      split(x, [1, 1]),
      split(x, [2]),
    ]);
    expectNoLeak(() => [
      concat([x, x]),
      concat([x]),
      broadcastTo(x, [2, 2, 3, 4]),
      broadcastTo(x, [2, 3, 4]),
    ]);
  });

  test("reshape refuses what it cannot do", () => {
    expect(() => reshape(some([2, 3]), [4])).toThrow(
      "reshape: [2, 3] holds 6 elements, expected as many in [4].",
    );
    expect(() => reshape(some([2, 3]), [-1, -1])).toThrow("At most one side may be -1");
    expect(() => reshape(some([2, 3]), [-1, 4])).toThrow("expected as many in [-1, 4]");
    expect(() => reshape(some([2, 3]), [-2, -3])).toThrow("expected as many in [-2, -3]");
    expect(() => reshape(gone(), [1])).toThrow("reshape of shape [1] was disposed before");
    expect(() => reshape([1] as never, [1])).toThrow("reshape is a Array, expected a tensor");
  });

  test("transpose refuses what it cannot do", () => {
    expect(() => transpose(some([2, 3]), [0, 0])).toThrow(
      "transpose: the permutation is [0,0], expected every axis of [2, 3] once, as 0 to 1.",
    );
    expect(() => transpose(some([2, 3]), [0])).toThrow("the permutation is [0]");
    expect(() => transpose(some([1, 1, 1, 1, 1, 1, 1]))).toThrow(
      "transpose: the rank is 7, expected at most 6",
    );
    expect(() => transpose(gone())).toThrow("was disposed before");
  });

  test("slice refuses what it cannot do", () => {
    expect(() => slice(some([2, 3]), [0, 1], [2, 3])).toThrow(
      "slice: begin [0,1] and size [2,3] leave the shape [2, 3].",
    );
    expect(() => slice(some([2, 3]), [-1, 0], [1, 1])).toThrow("leave the shape");
    expect(() => slice(some([2, 3]), [0], [1])).toThrow("leave the shape");
    expect(() => slice(some([2, 3]), [0, 0.5], [1, 1])).toThrow("leave the shape");
    expect(() => slice(gone(), [0], [1])).toThrow("was disposed before");
  });

  test("concat and split refuse what they cannot do", () => {
    expect(() => concat([])).toThrow("concat: got no tensors, expected at least one.");
    expect(() => concat([some([2, 3]), some([3, 2])])).toThrow(
      "concat: [2, 3] and [3, 2] differ outside axis 0.",
    );
    expect(() => concat([some([2, 3]), some([2])])).toThrow("[2, 3] and [2] differ outside axis 0.");
    expect(() => concat([some([2]), tensor(Int32Array.of(1))])).toThrow(
      "concat: each tensor is int32, expected float32",
    );
    expect(() => concat([some([2])], { axis: 1 })).toThrow("concat: axis is 1");
    expect(() => concat([some([2]), gone()])).toThrow("concat: each tensor of shape [1] was disposed before");
    expect(() => concat([gone()])).toThrow("was disposed before");
    expect(() => split(some([3]), [1, 1])).toThrow(
      "split: the sizes [1,1] add up to 2, expected positive integers that add up to 3, axis 0 of [3].",
    );
    expect(() => split(some([3]), [4, -1])).toThrow("expected positive integers");
    expect(() => split(some([3]), [0, 3])).toThrow("expected positive integers");
    expect(() => split(some([3]), [3], { axis: 2 })).toThrow("split: axis is 2");
    expect(() => split(gone(), [1])).toThrow("was disposed before");
  });

  test("pad, broadcastTo, clone and cast refuse what they cannot do", () => {
    expect(() => pad(some([3]), [])).toThrow(
      "pad: got 0 pairs [] for [3], expected a pair of non-negative integers",
    );
    expect(() => pad(some([3]), [[-1, 0]])).toThrow("pad: got 1 pairs [-1,0]");
    expect(() => pad(some([1, 1, 1, 1, 1]), Array(5).fill([0, 1]))).toThrow("at most 4 axes");
    expect(() => pad(tensor(Int32Array.of(1)), [[0, 1]])).toThrow("pad is int32, expected float32");
    expect(() => broadcastTo(some([3]), [2])).toThrow(
      "broadcastTo: the shapes [3] and [2] do not broadcast: 3 meets 2.",
    );
    expect(() => broadcastTo(some([3]), [1])).toThrow("broadcastTo: [3] does not broadcast to [1].");
    expect(() => broadcastTo(some([2, 3]), [3])).toThrow("broadcastTo: [2, 3] does not broadcast to [3].");
    expect(() => broadcastTo(some([1]), [1, 1, 1, 1, 1, 1, 1])).toThrow("the rank is 7");
    expect(() => clone(gone())).toThrow("clone of shape [1] was disposed before");
    expect(() => cast(gone(), "bool")).toThrow("cast of shape [1] was disposed before");
    expect(() => cast(7 as never, "bool")).toThrow("cast is a number, expected a tensor");
    expect(() => cast(some([1]), "float64" as never)).toThrow("float64");
  });
});
