// What prefill.bench.ts runs in a page: both engines live in it and take turns.

import { wasm } from "@corenet/backend-wasm";
import { argMax, type MatrixFormat, takeData, tensor, tidy, useBackend } from "@corenet/tensor";
import { CONTEXT } from "./decode-work.ts";
import { createRandomModel } from "./random-model.ts";

/** 512 tokens for the vocabulary of write-random-gguf.ts: <s>, the space in front, and letters as bytes. */
const LETTERS = "x".repeat(510);
const PROMPT = [1, 259, ...Array.from(LETTERS, (letter) => 3 + letter.charCodeAt(0))];

/** One prefill of the prompt. */
export interface Prefill {
  readonly ms: number;
  /** The likeliest token after it, modulo 4096: the rows of the random embedding repeat. */
  readonly next: number;
}

const DISTINCT_ROWS = 4096;
const FIRST_PIECE = 260; // the id of piece0

/** What we use of @wllama/wllama, whose own declarations do not resolve under nodenext. */
interface Wllama {
  loadModel(files: Blob[], params: Record<string, number | boolean>): Promise<void>;
  getNumThreads(): number;
  createCompletion(params: {
    prompt: string;
    max_tokens: number;
    temperature: number;
    cache_prompt: boolean;
  }): Promise<{ choices: { text: string }[]; timings?: { prompt_n: number; prompt_ms: number } }>;
}
type WllamaModule = { Wllama: new (paths: { default: string }, config: object) => Wllama };

type Engine = () => Promise<Prefill>;
const engines = new Map<string, Engine>();

/** Starts both engines with the same model; `run` names one of them from then on. */
export async function start(options: {
  format: MatrixFormat;
  model: string;
  threads: number;
}): Promise<void> {
  engines.set("ours", await ours(options));
  engines.set("wllama", await wllama(options));
}

/** @param name - "ours" or "wllama" */
export async function run(name: string): Promise<Prefill> {
  const engine = engines.get(name);
  if (!engine)
    throw new RangeError(`run: there is no engine "${name}", only ${[...engines.keys()].join(", ")}.`);
  return engine();
}

async function ours({ format, threads }: { format: MatrixFormat; threads: number }): Promise<Engine> {
  await useBackend(wasm({ threads }));
  const model = await createRandomModel(format);
  const cache = model.createCache({ batch: 1, capacity: CONTEXT });
  return async () => {
    const begin = performance.now();
    cache.truncate(0);
    const tokens = tensor(Int32Array.from(PROMPT), [1, PROMPT.length]);
    const best = tidy(() => argMax(model.forward(tokens, { cache, logits: "last" })));
    tokens.dispose();
    const [next = Number.NaN] = await takeData(best, "int32");
    return { ms: performance.now() - begin, next: next % DISTINCT_ROWS };
  };
}

/** llama.cpp in WebAssembly; the time is its own of the prompt alone. */
async function wllama({ model, threads }: { model: string; threads: number }): Promise<Engine> {
  const quiet = { debug: () => {}, log: () => {}, warn: () => {}, error: console.error };
  const { Wllama }: WllamaModule = await import("/wllama.js" as string);
  const engine = new Wllama({ default: "/wllama.wasm" }, { suppressNativeLog: true, logger: quiet });
  const file = await (await fetch(model)).blob();
  const context = { n_ctx: CONTEXT + 64, n_batch: CONTEXT, n_ubatch: CONTEXT, n_parallel: 1 };
  await engine.loadModel([file], { ...context, n_threads: threads, n_gpu_layers: 0, warmup: false });
  if (engine.getNumThreads() !== threads) {
    throw new Error(`prefill: wllama took ${engine.getNumThreads()} threads, expected ${threads}.`);
  }
  return async () => {
    const { timings, choices } = await engine.createCompletion({
      prompt: LETTERS,
      max_tokens: 1,
      temperature: 0,
      cache_prompt: false,
    });
    if (timings?.prompt_n !== PROMPT.length) {
      throw new Error(`prefill: wllama read ${timings?.prompt_n} tokens, expected ${PROMPT.length}.`);
    }
    const [, piece = Number.NaN] = /^piece(\d+)$/.exec(choices[0]?.text ?? "") ?? [];
    return { ms: timings.prompt_ms, next: (Number(piece) + FIRST_PIECE) % DISTINCT_ROWS };
  };
}
