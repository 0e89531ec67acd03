// Several documents in one row give what each gives alone: logits, losses, gradients.
import { byteTokenizer } from "@corenet/formats";
import { crossEntropy } from "@corenet/nn";
import {
  answerSample,
  type OpenElm,
  type PackedSample,
  packDocuments,
  type TextSample,
} from "@corenet/openelm";
import {
  add,
  mul,
  slice,
  type Tensor,
  type Tensor2D,
  type TensorTree,
  tensor,
  treeEntries,
  valueAndGrad,
} from "@corenet/tensor";
import fc from "fast-check";
import { expect, test } from "vitest";
import { expectNoLeak, onEveryBackend } from "../../../tools/testing/index.ts";
import { createEdge, edges } from "./models.ts";

const ignoreId = -100;
const near = { atol: 1e-5, rtol: 1e-4 };

/** Documents of ids below V, whose every id but the first is predicted. */
function documentsOf(lengths: readonly number[], V: number): TextSample[] {
  return lengths.map((length, i) => {
    const ids = Int32Array.from({ length: length + 1 }, (_, t) => (7 * i + 5 * t + ((t * t) % 3)) % V);
    return { tokens: ids.slice(0, -1), targets: ids.slice(1) };
  });
}

function batchOf(rows: readonly TextSample[]): { tokens: Tensor2D; targets: Tensor2D } {
  const T = rows[0]?.tokens.length ?? 0;
  const stack = (pick: (row: TextSample) => Int32Array) =>
    tensor(Int32Array.from(rows.flatMap((row) => [...pick(row)])), [rows.length, T]);
  return { tokens: stack((row) => row.tokens), targets: stack((row) => row.targets) };
}

function packedLoss(model: OpenElm, rows: readonly PackedSample[]): Tensor {
  const { tokens, targets } = batchOf(rows);
  const documents = rows.map((row) => row.documents);
  return crossEntropy(model.forward(tokens, { documents }), targets, { ignoreIndex: ignoreId });
}

/** The mean over all targets, each document read in a batch of its own. */
function separateLoss(model: OpenElm, documents: readonly TextSample[]): Tensor {
  const total = documents.reduce((sum, { tokens }) => sum + tokens.length, 0);
  return documents
    .map((document) => {
      const { tokens, targets } = batchOf([document]);
      return mul(crossEntropy(model.forward(tokens), targets), document.tokens.length / total);
    })
    .reduce((a, b) => add(a, b));
}

onEveryBackend(() => {
  test.each(Object.keys(edges))(
    "%s: logits and every gradient are those of the documents alone",
    async (name) => {
      using model = await createEdge(name);
      const documents = documentsOf([9, 5, 4, 3, 1], model.vocabSize);
      const { rows } = packDocuments(documents, { contextLength: 12, ignoreId });
      expect(rows.map((row) => row.documents)).toEqual([
        [0, 9, 10],
        [0, 5, 9],
      ]);
      const logits = model.forward(batchOf(rows).tokens, { documents: rows.map((row) => row.documents) });
      const alone = model.forward(batchOf([documents[2] as TextSample]).tokens);
      await expect(slice(logits, [1, 5, 0], [1, 4, -1])).toBeAllClose(alone, near);

      const params = model.params as TensorTree;
      const packed = valueAndGrad((p: TensorTree) => packedLoss(model.withParams(p), rows), params);
      const separate = valueAndGrad((p: TensorTree) => separateLoss(model.withParams(p), documents), params);
      await expect(packed.value).toBeAllClose(separate.value, near);
      const expected = new Map(treeEntries<Tensor>(separate.grads));
      for (const [path, gradient] of treeEntries<Tensor>(packed.grads)) {
        await expect(gradient, path).toBeAllClose(expected.get(path) as Tensor, near);
      }
    },
  );

  test("any documents in any rows, the blocks of the kernels crossed too", async () => {
    using model = await createEdge("query width below and above D");
    const lengths = fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(lengths, async (lengths) => {
        const documents = documentsOf(lengths, model.vocabSize);
        const { rows } = packDocuments(documents, { contextLength: 100, ignoreId });
        await expect(packedLoss(model, rows)).toBeAllClose(separateLoss(model, documents), near);
      }),
      { numRuns: 8 },
    );
  });

  test("a document does not see the one before", async () => {
    using model = await createEdge("one layer");
    const read = (first: number, documents?: number[][]) => {
      const tokens = tensor(Int32Array.of(first, 2, 3, 4), [1, 4]);
      return slice(model.forward(tokens, documents ? { documents } : {}), [0, 2, 0], [1, 2, -1]);
    };
    const exactly = { atol: 0, rtol: 0 };
    await expect(read(1, [[0, 2]])).toBeAllClose(read(9, [[0, 2]]), exactly);
    await expect(read(1)).not.toBeAllClose(read(9), { atol: 1e-4 });
  });

  test("frees its intermediates", async () => {
    using model = await createEdge("one layer");
    const tokens = tensor(Int32Array.of(1, 2, 3, 4), [1, 4]);
    expectNoLeak(() => model.forward(tokens, { documents: [[0, 2]] }));
  });
});

onEveryBackend((backend) => {
  test.runIf(backend === "cpu")("says what does not go together", async () => {
    using model = await createEdge("one layer");
    const tokens = tensor(Int32Array.of(1, 2, 3, 4), [1, 4]);
    using cache = model.createCache({ batch: 1, capacity: 4 });
    expect(() => model.forward(tokens, { documents: [[0]], cache })).toThrow("got documents and a cache");
    expect(() => model.forward(tokens, { documents: [[0]], lengths: [2] })).toThrow(
      "got documents and lengths",
    );
    expect(() => model.forward(tokens, { documents: [[0, 4]] })).toThrow(
      "ropeTables: documents[0] is [0, 4]",
    );
  });
});

test("samples that are not padded hold the same ids", () => {
  const tokenizer = byteTokenizer();
  const options = { contextLength: 8, padId: 0, ignoreId };
  const padded = answerSample("ab", "cd", tokenizer, options) as TextSample;
  const plain = answerSample("ab", "cd", tokenizer, { ...options, padded: false }) as TextSample;
  const used = plain.tokens.length;
  expect(used).toBeLessThan(8);
  expect([...padded.tokens.subarray(0, used)]).toEqual([...plain.tokens]);
  expect([...padded.targets.subarray(0, used)]).toEqual([...plain.targets]);
});
