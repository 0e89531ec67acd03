// What each app in this folder does with corenet: a training step, then 20 tokens, on WebAssembly.
import {
  byteTokenizer,
  cosineSchedule,
  createOpenElm,
  crossEntropy,
  generateText,
  memory,
  openElmConfig,
  Rng,
  train,
  useBackend,
  wasm,
  windowBatches,
} from "corenet";

const config = openElmConfig({
  ...{ numLayers: 2, modelDim: 64, headDim: 16, groupSize: 2, ffnDivisor: 16 },
  ...{ qkvMultipliers: [1, 2], ffnMultipliers: [1, 2], vocabSize: 256, contextLength: 64 },
});
const text = "the quick brown fox jumps over the lazy dog. ".repeat(40);

/** @returns what a run found, as plain data that a worker can post */
export async function trainAndGenerate() {
  const { wasm: host } = await useBackend(wasm());
  const before = memory().numTensors;
  const model = await createOpenElm(config, { rng: new Rng(1) });
  const { params, history } = await train({
    params: model.params,
    loss: (params, { tokens, targets }) => crossEntropy(model.withParams(params).forward(tokens), targets),
    batches: windowBatches([byteTokenizer().encode(text)], { batchSize: 8, length: 64, rng: new Rng(2) }),
    schedule: cosineSchedule({ peak: 0.01, total: 1 }),
    steps: 1,
  });
  const trained = model.withParams(params);
  let written = "";
  for await (const piece of generateText(trained, { prompt: "the ", maxNewTokens: 20 })) written += piece;
  trained.dispose();
  model.dispose();
  return {
    loss: history[0]?.loss,
    characters: written.length,
    leaked: memory().numTensors - before,
    threads: host?.threads,
  };
}
