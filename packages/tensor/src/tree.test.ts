import { describe, expect, test } from "vitest";
import { expectNoLeak, onBackend } from "../../../tools/testing/index.ts";
import { memory } from "./memory.ts";
import { mul } from "./ops/arithmetic.ts";
import { ones, tensor } from "./ops/create.ts";
import {
  disposeTree,
  mapTree,
  type Tree,
  treeEntries,
  treeFromEntries,
  treeLeaves,
  zipTrees,
} from "./tree.ts";
import type { Tensor, Tensor2D } from "./types.ts";

const numbers = {
  layers: [
    { w: 1, b: 2 },
    { w: 3, b: 4 },
  ],
  norm: 5,
};

describe("entries", () => {
  test("name every leaf by its path, in the order of the tree", () => {
    expect([...treeEntries(numbers as Tree<number>)]).toEqual([
      ["layers.0.w", 1],
      ["layers.0.b", 2],
      ["layers.1.w", 3],
      ["layers.1.b", 4],
      ["norm", 5],
    ]);
    expect([...treeEntries<number>(7)]).toEqual([["", 7]]);
    expect([...treeEntries<number>({ empty: {}, none: [] })]).toEqual([]);
  });

  test("a leaf is what is neither an array nor a plain object", () => {
    const leaf = new Map([["x", 1]]);
    expect(treeLeaves<unknown>({ a: leaf, b: Object.create(null), c: null })).toEqual([leaf, null]);
  });

  test("back into a tree of that structure", () => {
    const entries = new Map(
      [...treeEntries(numbers as Tree<number>)].map(([path, n]) => [path, `${path}=${n}`] as const),
    );
    expect(treeFromEntries(numbers as Tree<number>, entries)).toEqual({
      layers: [
        { w: "layers.0.w=1", b: "layers.0.b=2" },
        { w: "layers.1.w=3", b: "layers.1.b=4" },
      ],
      norm: "norm=5",
    });
    entries.delete("layers.1.w");
    expect(() => treeFromEntries(numbers as Tree<number>, entries)).toThrow(
      "treeFromEntries: layers.1.w is missing",
    );
  });
});

describe("maps", () => {
  test("keep the structure, and tell the path", () => {
    expect(mapTree(numbers as Tree<number>, (n, path) => `${path}:${n * 2}`)).toEqual({
      layers: [
        { w: "layers.0.w:2", b: "layers.0.b:4" },
        { w: "layers.1.w:6", b: "layers.1.b:8" },
      ],
      norm: "norm:10",
    });
    expect(numbers.norm).toBe(5);
  });

  test("several trees become one, also where their keys stand in another order", () => {
    expect(
      zipTrees<number, number>(
        [
          { a: 1, b: [2] },
          { b: [20], a: 10 },
        ],
        ([x, y]) => (x as number) + (y as number),
      ),
    ).toEqual({
      a: 11,
      b: [22],
    });
  });

  test("a key named __proto__ stays a key", () => {
    const tree: Tree<number> = JSON.parse('{"__proto__": 1, "a": 2}');
    const mapped = mapTree(tree, (n) => n * 2);
    expect(Object.entries(mapped as object)).toEqual([
      ["__proto__", 2],
      ["a", 4],
    ]);
  });

  test("name the first place where trees differ", () => {
    const zip = (...trees: Tree<number>[]) => zipTrees<number, number>(trees, ([x]) => x as number);
    expect(() => zip()).toThrow("zipTrees: got no trees, expected at least one.");
    expect(() => zip({ a: { b: 1 } }, { a: { c: 1 } })).toThrow(
      'zipTrees: at "a" the trees differ: [b] in one tree, [c] in another.',
    );
    expect(() => zip({ a: 1 }, { a: 1, b: 2 })).toThrow(
      'at "the root" the trees differ: [a] in one tree, [a,b] in another.',
    );
    expect(() => zip({ a: [1] }, { a: 1 })).toThrow(
      'at "a" the trees differ: a branch in one tree, a leaf in another',
    );
    expect(() => zip({ a: 1 }, { a: [1] })).toThrow(
      'at "a" the trees differ: a leaf in one tree, a branch in another',
    );
    expect(() => zip([1, 2], [1])).toThrow("[0,1] in one tree, [0] in another");
    expect(() => zip([1], { 0: 1 })).toThrow("an array in one tree, an object in another");
  });
});

onBackend("cpu", () => {
  test("a map that throws frees what it had made", () => {
    const params = { a: ones([2]), b: ones([2]), c: ones([2]) };
    expectNoLeak(() => {
      const failing = () =>
        mapTree(params, (leaf, path) => {
          if (path === "c") throw new RangeError("no");
          return mul(leaf, 2);
        });
      expect(failing).toThrow("no");
    });
  });

  test("disposeTree frees every tensor, and packed matrices too", () => {
    const before = memory().numTensors;
    let freed = 0;
    const packed = {
      format: "test",
      shape: [1, 1] as const,
      byteLength: 0,
      unpackRows: () => ones<Tensor2D>([1, 1]),
      multiply: (x: Tensor) => x,
      dispose: () => void freed++,
    };
    class Packed {
      format = packed.format;
      shape = packed.shape;
      byteLength = 0;
      unpackRows = packed.unpackRows;
      multiply = packed.multiply;
      dispose = packed.dispose;
    }
    disposeTree({ a: tensor([1]), b: [tensor([2]), new Packed()] });
    expect(memory().numTensors).toBe(before);
    expect(freed).toBe(1);
  });
});
