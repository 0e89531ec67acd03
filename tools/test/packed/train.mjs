// Plain Node, no bundler: TensorFlow.js has no gradients here. Ours train a small OpenELM, on both backends alike.
import assert from "node:assert/strict";
import { cpu } from "@corenet/backend-cpu";
import { wasm } from "@corenet/backend-wasm";
import { Rng } from "@corenet/core";
import { crossEntropy, generate } from "@corenet/nn";
import { createOpenElm, forward, openElmConfig } from "@corenet/openelm";
import { memory, square, sum, takeData, tensor, tidy, useBackend, valueAndGrad } from "@corenet/tensor";
import { cosineSchedule, train } from "@corenet/train";

const listeners = process.listeners("unhandledRejection").length;
const config = openElmConfig({
  numLayers: 2,
  modelDim: 32,
  headDim: 16,
  groupSize: 2,
  qkvMultipliers: [1, 2],
  ffnMultipliers: [1, 2],
  ffnDivisor: 16,
  vocabSize: 11,
  contextLength: 16,
});
const text = Array.from({ length: 16 }, (_, i) => (i * i) % 11);
const losses = {};

for (const backend of [cpu(), wasm()]) {
  await useBackend(backend);

  const x = tensor([1, 2, 3]);
  const { value, grads } = valueAndGrad((p) => sum(square(p)), x);
  assert.deepEqual([...(await takeData(value))], [14]);
  assert.deepEqual([...(await takeData(grads))], [2, 4, 6]);
  x.dispose();

  const model = await createOpenElm(config, { rng: new Rng(1) });
  const result = await train({
    params: model.params,
    loss: (params, { tokens, targets }) => tidy(() => crossEntropy(forward(tokens, params, config), targets)),
    batches: {
      next: () => ({
        tokens: tensor(Int32Array.from(text.slice(0, -1)), [1, 15]),
        targets: tensor(Int32Array.from(text.slice(1)), [1, 15]),
      }),
      save: () => null,
      restore: () => {},
    },
    schedule: cosineSchedule({ peak: 0.02, min: 0.002, warmup: 5, warmupInit: 1e-6, total: 40 }),
    steps: 40,
    clip: 1,
  });
  losses[backend.name] = result.history.map(({ loss }) => loss);
  const trained = model.withParams(result.params);
  const ids = [];
  for await (const id of generate(trained, text.slice(0, 4), { maxNewTokens: 8 })) ids.push(id);
  assert.deepEqual(ids, text.slice(4, 12), "the model has learned its line");
  trained.dispose();
  model.dispose();
  assert.equal(memory().numTensors, 0);
}

losses.cpu.forEach((loss, step) => {
  assert.ok(
    Math.abs(loss - losses.wasm[step]) < 2e-3,
    `step ${step}: ${loss} on cpu, ${losses.wasm[step]} on wasm`,
  );
});
assert.equal(process.listeners("unhandledRejection").length, listeners);
console.log(`loss ${losses.wasm[0].toFixed(3)} to ${losses.wasm.at(-1).toFixed(3)}`);
