import { wasm } from "@corenet/backend-wasm";
import { Rng } from "@corenet/core";
import { attention, crossEntropy } from "@corenet/nn";
import {
  createOpenElm,
  openElmConfig,
  type PackedSample,
  packDocuments,
  type TextSample,
} from "@corenet/openelm";
import {
  disposeTree,
  sum,
  type Tensor4D,
  type TensorTree,
  takeData,
  tensor,
  useBackend,
  valueAndGrad,
} from "@corenet/tensor";
import type { Bench } from "../../../tools/bench/harness.ts";

const IGNORE = -100;
const CONTEXT = 256;
const EXAMPLES = 48;
const BATCH = 8;

/** Lengths as of questions and answers: log-normal, a median of 60 tokens, cut at the context. */
function examplesOf(rng: Rng, vocabSize: number): TextSample[] {
  return Array.from({ length: EXAMPLES }, () => {
    const length = Math.min(CONTEXT, Math.max(8, Math.round(60 * Math.exp(0.6 * rng.normal()))));
    const ids = Int32Array.from({ length: length + 1 }, () => rng.integer(vocabSize));
    return { tokens: ids.slice(0, -1), targets: ids.slice(1) };
  });
}

/** Batches of rows, each as long as its longest row. */
function batchesOf(rows: readonly (TextSample | PackedSample)[]) {
  return Array.from({ length: Math.ceil(rows.length / BATCH) }, (_, i) => {
    const batch = rows.slice(i * BATCH, (i + 1) * BATCH);
    const T = Math.max(...batch.map(({ tokens }) => tokens.length));
    const tokens = new Int32Array(batch.length * T);
    const targets = new Int32Array(batch.length * T).fill(IGNORE);
    batch.forEach((row, b) => {
      tokens.set(row.tokens, b * T);
      targets.set(row.targets, b * T);
    });
    const documents = batch.map((row) => ("documents" in row ? row.documents : [0]));
    return { tokens, targets, shape: [batch.length, T] as const, documents };
  });
}

const bench: Bench = {
  name: "packing",
  description:
    `Gradients of one pass over ${EXAMPLES} examples (a median of 60 tokens, at most ${CONTEXT}) of an OpenELM of 0.8 M parameters: ` +
    `several in a row of ${CONTEXT}, each seeing itself alone, against one in a row, filled to the longest of its batch of ${BATCH}, ` +
    "and against rows filled to the context. Then attention alone, which skips what lies before a document.",

  async run({ compare, record, note }) {
    await useBackend(wasm());
    const config = openElmConfig({
      ...{ vocabSize: 1024, contextLength: CONTEXT, numLayers: 4, modelDim: 128, headDim: 32, groupSize: 1 },
      ...{ qkvMultipliers: 1, ffnMultipliers: 2.5, ffnDivisor: 16 },
    });
    using model = await createOpenElm(config, { rng: new Rng(1) });
    const examples = examplesOf(new Rng(2), config.vocabSize);
    const total = examples.reduce((sum, { tokens }) => sum + tokens.length, 0);
    const { rows, fillRate } = packDocuments(examples, { contextLength: CONTEXT, ignoreId: IGNORE });
    const filled = examples.map(({ tokens, targets }): TextSample => {
      const whole = { tokens: new Int32Array(CONTEXT), targets: new Int32Array(CONTEXT).fill(IGNORE) };
      whole.tokens.set(tokens);
      whole.targets.set(targets);
      return whole;
    });
    note(
      `${examples.length} examples of ${total} tokens in ${rows.length} rows, ${(100 * fillRate).toFixed(1)} % full.`,
    );

    const pass = (batches: ReturnType<typeof batchesOf>, masked: boolean) => async () => {
      let value = 0;
      for (const { tokens, targets, shape, documents } of batches) {
        const [ids, wanted] = [tensor(tokens, shape), tensor(targets, shape)];
        const step = valueAndGrad((p: TensorTree) => {
          const logits = model.withParams(p).forward(ids, masked ? { documents } : {});
          return crossEntropy(logits, wanted, { ignoreIndex: IGNORE });
        }, model.params as TensorTree);
        disposeTree([step.grads, { ids, wanted }]);
        value += (await takeData(step.value))[0] ?? Number.NaN;
      }
      return value;
    };
    const contender = (name: string, rowsOf: readonly (TextSample | PackedSample)[], masked: boolean) => {
      const run = pass(batchesOf(rowsOf), masked);
      return { name, run: async () => void (await run()) };
    };
    const { standings } = await compare({
      name: `gradients of ${total} tokens`,
      ours: contender("packed, documents apart", rows, true),
      peers: [
        contender("packed, without a mask", rows, false),
        contender("one in a row, to the longest of the batch", examples, false),
        contender("one in a row, to the context", filled, false),
      ],
      rounds: 3,
    });
    for (const { name, summary } of standings) {
      record(`tokens/s, ${name}`, (1000 * total) / summary.median);
    }

    const T = 2048;
    const heads = () => {
      const rng = new Rng(3);
      return tensor(
        Float32Array.from({ length: 4 * T * 32 }, () => rng.normal()),
        [1, 4, T, 32],
      ) as Tensor4D;
    };
    const params = { q: heads(), k: heads(), v: heads() };
    const attend = (name: string, documents: number[]) => {
      const run = async () => {
        const seen = { causal: true, documents: [documents] };
        const step = valueAndGrad(({ q, k, v }: typeof params) => sum(attention(q, k, v, seen)), params);
        disposeTree(step.grads);
        return takeData(step.value);
      };
      return { name, run: async () => void (await run()) };
    };
    await compare({
      name: `attention and its gradients, 4 heads of 32, ${T} tokens`,
      ours: attend(
        "16 documents",
        Array.from({ length: 16 }, (_, i) => (i * T) / 16),
      ),
      peers: [attend("one document", [0])],
      rounds: 5,
    });
    disposeTree(params);
  },
};

export default bench;
