import { readFile } from "node:fs/promises";
import { wasm } from "@corenet/backend-wasm";
import { Rng } from "@corenet/core";
import { sentencePieceTokenizer } from "@corenet/formats";
import { type CausalLm, type GenerateOptions, generate, generateText, logLikelihoods } from "@corenet/nn";
import { createOpenElm, openElmConfig } from "@corenet/openelm";
import { type Tensor3D, takeData, tensor, useBackend } from "@corenet/tensor";
import type { Bench, BenchContext } from "../../../tools/bench/harness.ts";
import { createRandomModel } from "./random-model.ts";

const NEW_TOKENS = 24;
const STUB_TOKENS = 50;
const VOCAB = 32_000;
const QUESTIONS = 250;
const CHOICES = 4;

/** What users ask of `generate` and `generateText`. */
const modes: Readonly<Record<string, GenerateOptions>> = {
  greedy: {},
  "temperature 0.8": { temperature: 0.8 },
  "temperature, top-k 50, top-p 0.95": { temperature: 0.8, topK: 50, topP: 0.95, repetitionPenalty: 1.1 },
  "temperature, top-p 0.95": { temperature: 0.8, topP: 0.95 },
};

const bench: Bench = {
  name: "language-model",
  description:
    "What is around the model, for a vocabulary of 32,000: the processor's time of generate on a model that does nothing " +
    "but give logits, less asking for these logits and reading them; as a share of a decode step of OpenELM-270M's shape in " +
    "int8. And 1,000 " +
    `choices, ${CHOICES} to a question of 128 tokens, on a small model: each question read once, against read for each choice.`,

  async run(context) {
    await useBackend(wasm());
    const stepMs = await decodeStep(context);
    await overheads(context, stepMs);
    await sharedPrefills(context);
  },
};

/** Milliseconds of one step of the real model. */
async function decodeStep({ compare, record }: BenchContext): Promise<number> {
  using model = await createRandomModel("int8");
  const { standings } = await compare({
    name: `bare passes of the model, ${NEW_TOKENS} tokens`,
    ours: { name: "OpenELM-270M int8", run: () => passes(model, NEW_TOKENS) },
    peers: [],
    rounds: 7,
  });
  const [ours] = standings;
  const stepMs = Math.min(...(ours?.ms ?? [])) / NEW_TOKENS;
  record("decode step, the fastest round (ms)", stepMs);
  return stepMs;
}

/** Passes of one token each that read their logits, and nothing else. */
async function passes(model: CausalLm, count: number): Promise<undefined> {
  using cache = model.createCache({ batch: 1, capacity: 1 + count });
  for (let step = 0; step < count; step++) {
    const tokens = tensor(Int32Array.of(7 + step), [1, 1]);
    await takeData(model.forward(tokens, { cache, logits: "last" }));
    tokens.dispose();
  }
}

/** A model that gives the same logits for ever, most of them to the first 700 tokens. */
function stubModel(tiny: CausalLm): CausalLm {
  const rng = new Rng(5);
  const logits = Float32Array.from(
    { length: VOCAB },
    (_, id) => 2.5 * rng.normal() + (id > 2 && id < 700 ? 3 : 0),
  );
  return {
    ...{ vocabSize: VOCAB, contextLength: 2048, kvShapes: tiny.kvShapes, params: tiny.params },
    forward: () => tensor(logits, [1, 1, VOCAB]) as Tensor3D,
    createCache: (options) => tiny.createCache(options),
    withParams: () => tiny,
    dispose() {},
  };
}

async function overheads({ record }: BenchContext, stepMs: number): Promise<void> {
  using tiny = await createOpenElm(
    openElmConfig({
      ...{ vocabSize: 64, numLayers: 1, modelDim: 32, headDim: 16, groupSize: 1, ffnDivisor: 16 },
      ...{ qkvMultipliers: 1, ffnMultipliers: 1 },
    }),
    { rng: new Rng(1) },
  );
  const model = stubModel(tiny);
  const file = new URL("../../../golden/tokenizers/sentencepiece.model", import.meta.url);
  const tokenizer = sentencePieceTokenizer(new Uint8Array(await readFile(file)));
  /** Milliseconds of the processor for a token, the least of several rounds: what else runs on the machine counts little. */
  const cpuMs = async (run: () => Promise<void>) => {
    let least = Number.POSITIVE_INFINITY;
    for (let round = 0; round < 40; round++) {
      const before = process.cpuUsage();
      await run();
      const { user, system } = process.cpuUsage(before);
      least = Math.min(least, (user + system) / 1000 / STUB_TOKENS);
    }
    return least;
  };
  const bareMs = await cpuMs(() => passes(model, STUB_TOKENS));
  const measure = async (name: string, run: () => Promise<void>) => {
    const aroundMs = (await cpuMs(run)) - bareMs;
    record(`${name}: around the model (ms a token)`, aroundMs);
    record(`${name}: overhead (% of a step)`, (100 * aroundMs) / stepMs);
  };
  for (const [name, options] of Object.entries(modes)) {
    await measure(name, async () => {
      const all = { ...options, maxNewTokens: STUB_TOKENS };
      for await (const id of generate(model, [1, 5, 9], all)) if (id < 0) break;
    });
  }
  await measure("text, sampled, three stop strings", async () => {
    const stopStrings = ["\n\n", "User:", "</answer>"];
    const options = { ...modes["temperature, top-k 50, top-p 0.95"], prompt: "Once", stopStrings };
    let made = 0;
    for await (const text of generateText(model, tokenizer, { ...options, maxNewTokens: STUB_TOKENS }))
      made += text.length;
    if (made === 0) throw new Error("language-model: the text is empty, expected some.");
  });
}

async function sharedPrefills({ compare }: BenchContext): Promise<void> {
  const config = openElmConfig({
    ...{ vocabSize: 4096, numLayers: 4, modelDim: 128, headDim: 32, groupSize: 2, ffnDivisor: 32 },
    ...{ qkvMultipliers: [0.5, 1], ffnMultipliers: [0.5, 4] },
  });
  using model = await createOpenElm(config, { rng: new Rng(2) });
  const ids = (count: number, seed: number) =>
    Array.from({ length: count }, (_, i) => 3 + ((i * 7919 + seed * 104_729) % 4000));
  const questions = Array.from({ length: QUESTIONS }, (_, q) => ({
    context: ids(128, q),
    choices: Array.from({ length: CHOICES }, (_, c) => ids(8, q * CHOICES + c)),
  }));
  await compare({
    name: `${QUESTIONS * CHOICES} choices`,
    ours: {
      name: "each question read once",
      async run() {
        for (const { context, choices } of questions) await logLikelihoods(model, context, choices);
      },
    },
    peers: [
      {
        name: "read for each choice",
        async run() {
          for (const { context, choices } of questions)
            for (const choice of choices) await logLikelihoods(model, context, [choice]);
        },
      },
    ],
    warmup: 0,
    rounds: 2,
  });
}

export default bench;
