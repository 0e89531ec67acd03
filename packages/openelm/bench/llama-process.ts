// llama.cpp's side of decode.bench.ts, native, through node-llama-cpp: llama-process.ts FILE THREADS decode|prefill
import { getLlama, LlamaLogLevel, type Token } from "node-llama-cpp";
import { serveRuns } from "../../../tools/bench/runner.ts";
import { CONTEXT, NEW_TOKENS, PROMPT } from "./decode-work.ts";

const [, , modelPath = "", threads = "1", work = "decode"] = process.argv;
const llama = await getLlama({ gpu: false, build: "never", logLevel: LlamaLogLevel.error, maxThreads: 0 });
const model = await llama.loadModel({ modelPath });
const context = await model.createContext({
  contextSize: CONTEXT + 2 * NEW_TOKENS,
  batchSize: CONTEXT,
  threads: { ideal: Number(threads), min: Number(threads) },
});
const sequence = context.getSequence();
const prompt = PROMPT.map((id) => id as Token);
const start = prompt.slice(0, NEW_TOKENS);
let next = (await read(start)) as Token;

serveRuns(async () => {
  if (work === "prefill") {
    await sequence.clearHistory();
    const begin = performance.now();
    next = (await read(prompt)) as Token;
    return { ms: performance.now() - begin, value: next };
  }
  await sequence.eraseContextTokenRanges([{ start: NEW_TOKENS, end: sequence.nextTokenIndex }]);
  const begin = performance.now();
  for (let i = 0; i < NEW_TOKENS; i++) next = (await read([next])) as Token;
  return { ms: (performance.now() - begin) / NEW_TOKENS, value: next };
});

/** Reads tokens on top of what the sequence holds; the likeliest next one. */
async function read(tokens: readonly Token[]): Promise<Token | null | undefined> {
  const last = tokens.length - 1;
  const generateNext = { token: true, options: { temperature: 0 } };
  const items = tokens.map((token, i) =>
    i === last ? ([token, { generateNext }] as [Token, object]) : token,
  );
  const outputs = await sequence.controlledEvaluate(items);
  return outputs[last]?.next.token;
}
