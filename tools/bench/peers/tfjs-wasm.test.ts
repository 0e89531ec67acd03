import { afterAll, beforeAll, expect, test } from "vitest";
import { TfjsWasm, type TrainStepRequest } from "./tfjs-wasm.ts";

const request: TrainStepRequest = {
  run: "trainStep",
  variant: "tuned",
  config: { vocab: 64, dim: 32, headDim: 16, numQueryHeads: [2, 4], numKvHeads: [1, 2], ffnDims: [48, 64] },
  batch: 2,
  length: 16,
  seed: 3,
  learningRate: 3e-3,
};

let peer: TfjsWasm;
beforeAll(async () => {
  peer = await TfjsWasm.start();
});
afterAll(() => peer[Symbol.asyncDispose]());

test("times an op, once per round", async () => {
  const { ms } = await peer.op({
    run: "op",
    op: "matMul",
    inputs: [
      [8, 8],
      [8, 8],
    ],
    args: [false, true],
    rounds: 3,
  });
  expect(ms).toHaveLength(3);
  for (const value of ms) expect(value).toBeGreaterThan(0);
});

test("is a contender that reports its own time", async () => {
  const contender = peer.contender("tfjs", { run: "op", op: "softmax", inputs: [[4, 4]], freshInputs: true });
  expect(await contender.run()).toBeGreaterThan(0);
});

test("goes on with a training where it stopped, and learns; both writings give the same losses", async () => {
  const first = await peer.trainStep({ ...request, rounds: 5 });
  const second = await peer.trainStep({ ...request, rounds: 20 });
  const stock = await peer.trainStep({ ...request, variant: "stock", rounds: 5 });
  expect([first.firstStep, second.firstStep]).toEqual([0, 5]);
  expect(second.losses.at(-1)).toBeLessThan((first.losses[0] ?? 0) - 0.5);
  for (const [step, loss] of stock.losses.entries()) expect(loss).toBeCloseTo(first.losses[step] ?? 0, 3);
});

test("answers the next request after one that failed", async () => {
  await expect(peer.op({ run: "op", op: "nope", inputs: [] })).rejects.toThrow("tfjs-core has no nope");
  await expect(peer.op({ run: "op", op: "square", inputs: [[2]] })).resolves.toBeDefined();
});

test("answers requests in the order they were made", async () => {
  const order: number[] = [];
  const ask = (i: number) =>
    peer.op({ run: "op", op: "square", inputs: [[i + 1]] }).then(() => order.push(i));
  await Promise.all([0, 1, 2, 3].map(ask));
  expect(order).toEqual([0, 1, 2, 3]);
});

test("says that its process has ended", async () => {
  const other = await TfjsWasm.start();
  await other[Symbol.asyncDispose]();
  await expect(other.op({ run: "op", op: "square", inputs: [[2]] })).rejects.toThrow(
    "process has ended. Start another.",
  );
});
