import { cpu } from "@corenet/backend-cpu";
import { Rng } from "@corenet/core";
import { type CausalLm, KvCache } from "@corenet/nn";
import { createOpenElm, openElmConfig } from "@corenet/openelm";
import {
  gather,
  readData,
  type Tensor2D,
  type Tensor3D,
  takeData,
  tensor,
  tidy,
  useBackend,
} from "@corenet/tensor";
import { beforeAll, expect, test } from "vitest";
import { bitsPerByte } from "./bits-per-byte.ts";

beforeAll(async () => {
  await useBackend(cpu());
});

/** Knows only the last byte: its logits are the row of a table. */
function bigram(logits: (from: number, to: number) => number, contextLength = 4): CausalLm {
  const table = Array.from({ length: 256 }, (_, from) =>
    Array.from({ length: 256 }, (_, to) => logits(from, to)),
  );
  return {
    ...{ vocabSize: 256, contextLength, kvShapes: [], params: [], dispose: () => {} },
    withParams: () => bigram(logits, contextLength),
    createCache: (options) => new KvCache({ shapes: [], ...options }),
    forward: (tokens: Tensor2D): Tensor3D => tidy(() => gather(tensor(table), tokens) as Tensor3D),
  };
}

const block = (text: string) => new TextEncoder().encode(text);

test("is 8 for a model that knows nothing", async () => {
  expect(
    await bitsPerByte(
      bigram(() => 0),
      [block("any text at all")],
    ),
  ).toBeCloseTo(8, 5);
});

test("is what a hand computes for a bigram", async () => {
  // After "a" comes "b" with probability 1/2 and everything else with 1/510; elsewhere all is equal.
  const model = bigram((from, to) => (from === 97 && to === 98 ? Math.log(255) : 0));
  // "abac": a first (8 bits), then b after a (1), a after b (8), c after a (log2 510).
  const expected = (8 + 1 + 8 + Math.log2(510)) / 4;
  expect(await bitsPerByte(model, [block("abac")])).toBeCloseTo(expected, 4);
});

test("counts every byte once, however windows lie, where context beyond one byte is no matter", async () => {
  const model = bigram((from, to) => Math.sin(from * to));
  const blocks = [
    block("the quick brown fox jumps"),
    block("over"),
    block("x"),
    block("a lazy dog, and another"),
  ];
  const expected = await bitsPerByte(model, blocks, { window: 100 });
  for (const [window, stride, batchSize] of [
    [4, 4, 8],
    [4, 2, 3],
    [7, 1, 1],
    [5, 3, 2],
  ] as const) {
    expect(await bitsPerByte(model, blocks, { window, stride, batchSize })).toBeCloseTo(expected, 4);
  }
});

test("gives a model all the context that it says", async () => {
  const scaling = {
    numLayers: 1,
    modelDim: 8,
    headDim: 4,
    groupSize: 1,
    qkvMultipliers: 1,
    ffnMultipliers: 1,
  };
  const config = openElmConfig({ ...scaling, ffnDivisor: 4, vocabSize: 256, contextLength: 6 });
  using model = await createOpenElm(config, { rng: new Rng(3) });
  const text = block("windows");

  // By hand: window 6 predicts bytes 1 to 6 from the start.
  const tokens = tensor(Int32Array.from(text.subarray(0, 6)), [1, 6], "int32");
  const logits = await takeData(model.forward(tokens));
  let bits = 8;
  for (let i = 0; i < 6; i++) {
    const row = logits.subarray(256 * i, 256 * (i + 1));
    const total = row.reduce((sum, logit) => sum + Math.exp(logit), 0);
    bits -= Math.log2(Math.exp(row[text[i + 1] as number] as number) / total);
  }
  expect(await bitsPerByte(model, [text])).toBeCloseTo(bits / 7, 4);
  expect(await readData(tokens, "int32")).toHaveLength(6);
});

test("refuses no text, a small vocabulary and a stride that skips", async () => {
  const model = bigram(() => 0);
  await expect(bitsPerByte(model, [])).rejects.toThrow("the blocks are empty");
  await expect(bitsPerByte(model, [block("ab")], { stride: 5 })).rejects.toThrow("from 1 to the window of 4");
  await expect(bitsPerByte({ ...model, vocabSize: 100 }, [block("ab")])).rejects.toThrow("has 100 tokens");
});
