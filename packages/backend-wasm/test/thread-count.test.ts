import { wasm } from "@corenet/backend-wasm";
import {
  broadcastTo,
  gather,
  greater,
  matMul,
  maximum,
  mean,
  softmax,
  square,
  sum,
  type Tensor,
  takeData,
  tensor,
  tidy,
  useBackend,
  valueAndGrad,
  where,
} from "@corenet/tensor";
import { expect, test } from "vitest";

const noise = (shape: number[], seed: number): Tensor => {
  const size = shape.reduce((product, side) => product * side, 1);
  return tensor(
    Float32Array.from({ length: size }, (_, i) => Math.fround(Math.sin((i + 1) * seed) * 3)),
    shape,
  );
};

/** Ops that are large enough for several threads, at sizes that no part divides. */
const ops: Record<string, () => Tensor> = {
  "a b": () => matMul(noise([301, 203], 1.1), noise([203, 259], 1.2)),
  "a bT": () => matMul(noise([301, 203], 1.1), noise([259, 203], 1.2), { transposeB: true }),
  "aT b": () => matMul(noise([203, 301], 1.1), noise([203, 259], 1.2), { transposeA: true }),
  "aT bT": () =>
    matMul(noise([203, 301], 1.1), noise([259, 203], 1.2), { transposeA: true, transposeB: true }),
  "a batch": () => matMul(noise([7, 65, 131], 1.1), noise([7, 131, 67], 1.2)),
  "one row": () => matMul(noise([1, 1021], 1.1), noise([1031, 1021], 1.2), { transposeB: true }),
  maximum: () => maximum(noise([301, 333], 1.1), noise([333], 1.2)),
  where: () => where(greater(noise([333, 301], 1.1), 0), noise([333, 301], 1.2), noise([333, 301], 1.3)),
  gather: () =>
    gather(noise([99, 301], 1.1), tensor(Int32Array.from({ length: 333 }, (_, i) => (i * 7) % 99))),
  "a broadcast": () => broadcastTo(noise([333, 1, 3], 1.1), [333, 101, 3]),
  "sums of rows": () => sum(noise([333, 301], 1.1), { axis: -1 }),
  "sums of columns": () => sum(noise([13, 101, 77], 1.1), { axis: 1 }),
  "a gradient": () =>
    valueAndGrad(
      (w: Tensor) => mean(square(softmax(matMul(noise([203, 131], 1.1), w, { transposeB: true })))),
      noise([259, 131], 1.2),
    ).grads,
};

const noThreads = typeof SharedArrayBuffer === "undefined"; // a page that is not isolated

test.skipIf(noThreads)("results are the same to the bit with one thread and with four", async () => {
  const results = async () => {
    const found: Record<string, Float32Array> = {};
    for (const [name, op] of Object.entries(ops)) found[name] = await takeData(tidy(op));
    return found;
  };
  const { dispose } = await useBackend(wasm({ threads: 1 }));
  const alone = await results();
  dispose?.();
  const { wasm: host } = await useBackend(wasm({ threads: 4 }));
  expect(host?.threads).toBe(4);
  for (let round = 0; round < 10; round++) {
    for (const [name, found] of Object.entries(await results())) {
      expect([name, found]).toEqual([name, alone[name]]);
    }
    await new Promise((resolve) => setTimeout(resolve, 20)); // lets workers start, and fall asleep
  }
});
