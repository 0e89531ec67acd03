import fc from "fast-check";
import { expect, test } from "vitest";
import {
  expectGradient,
  expectNoLeak,
  onEveryBackend,
  shape,
  sizeOf,
} from "../../../../tools/testing/index.ts";
import { build } from "../../test/oracle.ts";
import type { Tensor } from "../types.ts";
import { tensor } from "./create.ts";
import { gather, oneHot, segmentSum } from "./gather.ts";

const ids = (...list: number[]): Tensor => tensor(Int32Array.from(list));
const rowsAndIds = fc
  .record({
    row: shape({ maxRank: 3, minSide: 0, maxSide: 9, maxSize: 60 }),
    count: fc.integer({ min: 1, max: 9 }),
    lead: shape({ maxRank: 2, minSide: 0, maxSize: 30 }),
  })
  .chain(({ row, count, lead }) =>
    fc.record({
      row: fc.constant(row),
      count: fc.constant(count),
      lead: fc.constant(lead),
      list: fc.array(fc.nat(count - 1), { minLength: sizeOf(lead), maxLength: sizeOf(lead) }),
    }),
  );

onEveryBackend(() => {
  test("gather takes rows of any shape by ids of any shape", async () => {
    await fc.assert(
      fc.asyncProperty(rowsAndIds, async ({ row, count, lead, list }) => {
        const width = sizeOf(row);
        const table = tensor(
          Float32Array.from({ length: count * width }, (_, i) => i),
          [count, ...row],
        );
        const data = list.flatMap((id) => Array.from({ length: width }, (_, i) => id * width + i));
        await expect(gather(table, tensor(Int32Array.from(list), lead))).toBeAllClose({
          shape: [...lead, ...row],
          data,
        });
      }),
      { numRuns: 60 },
    );
  });

  test("gather of int32 is exact", async () => {
    const table = tensor(Int32Array.of(16777217, 16777219, -(2 ** 31), 2 ** 31 - 1), [2, 2]);
    await expect(gather(table, ids(1, 0))).toBeAllClose([
      [-(2 ** 31), 2 ** 31 - 1],
      [16777217, 16777219],
    ]);
  });

  test("segmentSum adds rows of one id, and leaves zeros where none came", async () => {
    await fc.assert(
      fc.asyncProperty(rowsAndIds, async ({ row, count, list }) => {
        const width = sizeOf(row);
        const rows = tensor(
          Float32Array.from({ length: list.length * width }, (_, i) => i + 1),
          [list.length, ...row],
        );
        const wanted = build([count, width], ([id, i]) =>
          list.reduce((total, other, n) => total + (other === id ? n * width + (i as number) + 1 : 0), 0),
        );
        const y = segmentSum(rows, tensor(Int32Array.from(list)), count);
        await expect(y).toBeAllClose({ shape: [count, ...row], data: wanted.data });
      }),
      { numRuns: 60 },
    );
  });

  test("both have their gradients, with ids that repeat", async () => {
    const table = tensor([
      [1, 2],
      [3, 4],
      [5, 6],
    ]);
    await expectGradient((x: Tensor) => gather(x, ids(2, 0, 2, 2)), table);
    await expectGradient((x: Tensor) => gather(x, tensor(Int32Array.of(2, 0, 1, 1), [2, 2])), table);
    await expectGradient((x: Tensor) => gather(x, ids()), table);
    await expectGradient((x: Tensor) => segmentSum(x, ids(1, 1, 3), 4), table);
    const many = Array.from({ length: 300 }, (_, i) => (i * 7) % 3);
    await expectGradient((x: Tensor) => gather(x, ids(...many)), table);
  });

  test("an id outside the table is named, and where it stands", () => {
    const table = tensor([[1], [2], [3]]);
    expect(() => gather(table, ids(0, 3))).toThrow("gather: ids[1] is 3, expected an integer in [0, 3).");
    expect(() => gather(table, ids(-1))).toThrow("gather: ids[0] is -1");
    expect(() => gather(table, tensor(Int32Array.of(0, 1, 2, 9), [2, 2]))).toThrow("gather: ids[1, 1] is 9");
    expect(() => segmentSum(table, ids(0, 1, 2), 2)).toThrow(
      "segmentSum: ids[2] is 2, expected an integer in [0, 2).",
    );
  });

  test("oneHot sets one element a row, and none for an id outside", async () => {
    await expect(oneHot(ids(1, 0, 3, -1), 3)).toBeAllClose([
      [0, 1, 0],
      [1, 0, 0],
      [0, 0, 0],
      [0, 0, 0],
    ]);
    await expect(oneHot(tensor(Int32Array.of(1, 0), [2, 1]), 2)).toBeAllClose([[[0, 1]], [[1, 0]]]);
    await expect(oneHot(tensor(Int32Array.of(1), []), 2)).toBeAllClose({ shape: [2], data: [0, 1] });
    await expect(oneHot(ids(), 2)).toBeAllClose({ shape: [0, 2], data: [] });
    expect(oneHot(ids(1), 2).dtype).toBe("float32");
  });

  test("they free what they make, and refuse what they cannot do", () => {
    const table = tensor([[1], [2], [3]]);
    const two = ids(0, 1);
    const three = ids(0, 1, 2);
    expectNoLeak(() => [gather(table, two), segmentSum(table, three, 4), oneHot(two, 3)]);
    const gone = ids(1);
    gone.dispose();
    expect(() => gather(tensor(1), two)).toThrow(
      "gather: table is a scalar, expected rows along its first axis.",
    );
    expect(() => gather(table, tensor([0]))).toThrow(
      "gather: ids is float32, expected int32. Convert it with cast.",
    );
    expect(() => gather(tensor(Uint8Array.of(1)), two)).toThrow(
      "gather: table is bool, expected float32 or int32",
    );
    expect(() => gather(table, gone)).toThrow("gather: ids of shape [1] was disposed before");
    expect(() => gather(table, [0] as never)).toThrow("gather: ids is a Array, expected a tensor");
    expect(() => segmentSum(table, two, 2)).toThrow(
      "segmentSum: ids has shape [2], expected one for each row of [3, 1].",
    );
    expect(() => segmentSum(tensor(Int32Array.of(1)), ids(0), 1)).toThrow(
      "segmentSum: rows is int32, expected float32",
    );
    expect(() => segmentSum(table, tensor([0, 1, 2]), 3)).toThrow(
      "segmentSum: ids is float32, expected int32",
    );
    expect(() => segmentSum(table, three, -1)).toThrow("segmentSum");
    expect(() => oneHot(tensor([1]), 2)).toThrow("oneHot: ids is float32, expected int32");
    expect(() => oneHot(two, -1)).toThrow("oneHot");
    expect(() => oneHot(two, 1.5)).toThrow("oneHot");
  });
});
