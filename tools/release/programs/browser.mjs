// In a page, with the packages as an app has installed them: a training step, then twenty tokens, on each backend.
import { wasm } from "@corenet/backend-wasm";
import { webgpu } from "@corenet/backend-webgpu";
import { Rng } from "@corenet/core";
import { crossEntropy, generate } from "@corenet/nn";
import { createOpenElm, openElmConfig } from "@corenet/openelm";
import { memory, tensor, useBackend } from "@corenet/tensor";
import { cosineSchedule, train } from "@corenet/train";

const config = openElmConfig({
  ...{ vocabSize: 256, numLayers: 2, modelDim: 32, headDim: 16, groupSize: 2, ffnDivisor: 16 },
  ...{ qkvMultipliers: [1, 2], ffnMultipliers: [1, 2], contextLength: 64 },
});
const text = new TextEncoder().encode("The quick brown fox jumps over the lazy dog.");
const windowOf = (bytes) => tensor(Int32Array.from(bytes), [1, bytes.length], "int32");

async function trainAndGenerate(backend) {
  await useBackend(backend);
  const before = memory().numTensors;
  const model = await createOpenElm(config, { rng: new Rng(1) });
  const { params, history } = await train({
    params: model.params,
    loss: (tree, { tokens, targets }) => crossEntropy(model.withParams(tree).forward(tokens), targets),
    batches: {
      next: () => ({ tokens: windowOf(text.subarray(0, -1)), targets: windowOf(text.subarray(1)) }),
      save: () => null,
      restore: () => {},
    },
    schedule: cosineSchedule({ peak: 0.01, total: 1 }),
    steps: 1,
  });
  const trained = model.withParams(params);
  const tokens = [];
  for await (const id of generate(trained, [...text.subarray(0, 4)], { maxNewTokens: 20 })) tokens.push(id);
  trained.dispose();
  model.dispose();
  return { loss: history[0].loss, tokens, leaked: memory().numTensors - before };
}

/** Called by tools/release/check-browser.ts. */
globalThis.run = (name) => trainAndGenerate({ wasm, webgpu }[name]());
