// What decode.bench.ts runs in processes of their own: decode-process.ts FORMAT THREADS decode|prefill
import { wasm } from "@corenet/backend-wasm";
import type { KvCache } from "@corenet/nn";
import type { OpenElm } from "@corenet/openelm";
import { argMax, type MatrixFormat, takeData, tensor, tidy, useBackend } from "@corenet/tensor";
import { serveRuns } from "../../../tools/bench/runner.ts";
import { CONTEXT, NEW_TOKENS, PROMPT } from "./decode-work.ts";
import { createRandomModel } from "./random-model.ts";

const [, , format = "f32", threads = "1", work = "decode"] = process.argv;
await useBackend(wasm({ threads: Number(threads) }));
const model = await createRandomModel(format as MatrixFormat);
const cache = model.createCache({ batch: 1, capacity: CONTEXT });
let next = await read(model, cache, PROMPT.slice(0, NEW_TOKENS));

serveRuns(async () => {
  const start = performance.now();
  if (work === "prefill") {
    cache.truncate(0);
    next = await read(model, cache, PROMPT);
    return { ms: performance.now() - start, value: next };
  }
  if (cache.length + NEW_TOKENS > 2 * NEW_TOKENS) cache.truncate(NEW_TOKENS);
  for (let i = 0; i < NEW_TOKENS; i++) next = await read(model, cache, [next]);
  return { ms: (performance.now() - start) / NEW_TOKENS, value: next };
});

/** Reads tokens on top of the cache; the likeliest next one. */
async function read(model: OpenElm, cache: KvCache, ids: readonly number[]): Promise<number> {
  const tokens = tensor(Int32Array.from(ids), [1, ids.length]);
  const best = tidy(() => argMax(model.forward(tokens, { cache, logits: "last" })));
  tokens.dispose();
  const [id] = await takeData(best, "int32");
  return id as number;
}
