import { sum, type Tensor2D, tensor, valueAndGrad } from "@corenet/tensor";
import { expect, test } from "vitest";
import { expectGradient, expectNoLeak, onEveryBackend } from "../../../tools/testing/index.ts";
import { DoubledMatrix } from "../test/doubled-matrix.ts";
import { embedding } from "./embedding.ts";

const table = [
  [0, 1],
  [10, 11],
  [20, 21],
];
const ids = (list: number[][]): Tensor2D =>
  tensor(list, [list.length, list[0]?.length ?? 0], "int32") as Tensor2D;

onEveryBackend(() => {
  test("looks up one row for each token", async () => {
    await expect(
      embedding(
        ids([
          [2, 0],
          [1, 1],
        ]),
        tensor(table),
      ),
    ).toBeAllClose([
      [
        [20, 21],
        [0, 1],
      ],
      [
        [10, 11],
        [10, 11],
      ],
    ]);
  });

  test("takes a packed table", async () => {
    const tokens = ids([
      [2, 0],
      [1, 1],
    ]);
    const packed = new DoubledMatrix(tensor(table));
    await expect(embedding(tokens, packed)).toBeAllClose(embedding(tokens, tensor(table)));
  });

  test("a row that is looked up twice gets both gradients, one that is not gets none", async () => {
    const params = { table: tensor(table) };
    const lookup = (p: typeof params) => embedding(ids([[1, 1, 0]]), p.table);
    const { grads } = valueAndGrad((p: typeof params) => sum(lookup(p)), params);
    await expect(grads.table).toBeAllClose([
      [1, 1],
      [2, 2],
      [0, 0],
    ]);
    await expectGradient(lookup, params);
  });

  test("names the first token outside the vocabulary, and where it stands", () => {
    expect(() =>
      embedding(
        ids([
          [0, 1],
          [2, 3],
        ]),
        tensor(table),
      ),
    ).toThrow("embedding: tokens[1, 1] is 3, expected an integer in [0, 3).");
    expect(() => embedding(ids([[0, -1]]), tensor(table))).toThrow("tokens[0, 1] is -1");
    expect(() => embedding(tensor([[0, 1]]), tensor(table))).toThrow(
      "embedding: tokens is float32, expected int32",
    );
  });

  test("says the same of a packed table", () => {
    const packed = new DoubledMatrix(tensor(table));
    expect(() =>
      embedding(
        ids([
          [0, 1],
          [2, 3],
        ]),
        packed,
      ),
    ).toThrow("embedding: tokens[1, 1] is 3, expected an integer in [0, 3).");
    expect(() => embedding(tensor([[0, 1]]), packed)).toThrow("embedding: tokens is float32, expected int32");
  });

  test("frees its intermediates", () => {
    const [tokens, matrix] = [ids([[0, 2]]), tensor(table)];
    const packed = new DoubledMatrix(matrix);
    expectNoLeak(() => embedding(tokens, matrix));
    expectNoLeak(() => embedding(tokens, packed));
  });
});
