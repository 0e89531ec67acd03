import { Rng, yieldToEventLoop } from "@corenet/core";
import {
  assistant,
  type DraftMethod,
  type GenerateOptions,
  generate,
  generateBatch,
  logLikelihoods,
  promptLookup,
} from "@corenet/nn";
import { createOpenElm, type OpenElm, type OpenElmConfig } from "@corenet/openelm";
import { readData, type Tensor2D, tensor } from "@corenet/tensor";
import { describe, expect, test } from "vitest";
import { expectNoLeak, loadGolden, onEveryBackend } from "../../../tools/testing/index.ts";
import { edges, loadTiny } from "./models.ts";

interface Greedy {
  readonly prompt: number[];
  readonly greedy: number[];
  /** Ids drafted and ids accepted, for each call of the model. */
  readonly lookup_calls: [number, number][];
}
interface Score {
  readonly context: number[];
  readonly continuation: number[];
  readonly token_logprobs: number[];
  readonly is_greedy: boolean;
}
const golden = (await loadGolden("openelm/generate")).json;
const greedy: Greedy[] = golden.greedy;
const scores: Score[] = golden.scores;

async function run(model: OpenElm, prompt: readonly number[], options?: GenerateOptions): Promise<number[]> {
  const ids: number[] = [];
  for await (const id of generate(model, prompt, options)) ids.push(id);
  return ids;
}

/** Greedy decoding that reads everything again for each token. */
async function runPlain(model: OpenElm, prompt: readonly number[], count: number): Promise<number[]> {
  const seen = [...prompt];
  for (let n = 0; n < count; n++) {
    const logits = await readData(model.forward(toTokens(seen), { logits: "last" }));
    seen.push(logits.indexOf(Math.max(...logits)));
  }
  return seen.slice(prompt.length);
}

const drawn: Record<string, number[]> = {};

onEveryBackend((backend) => {
  describe.each(greedy)("greedy after $prompt", ({ prompt, greedy: expected, lookup_calls: lookupCalls }) => {
    const maxNewTokens = expected.length;

    test("without a cache", async () => {
      using model = await loadTiny();
      expect(await runPlain(model, prompt, maxNewTokens)).toEqual(expected);
    });

    test.each([1, 2, 3, 4, 512])("with one, the prompt read %i tokens at a time", async (prefillChunk) => {
      using model = await loadTiny();
      expect(await run(model, prompt, { maxNewTokens, prefillChunk })).toEqual(expected);
    });

    test("through a cache of unrotated keys", async () => {
      using model = await loadTiny();
      using cache = model.createCache({ batch: 1, capacity: 32, rotated: false });
      expect(await run(model, prompt, { maxNewTokens, cache })).toEqual(expected);
      expect(cache.length).toBe(prompt.length + maxNewTokens - 1);
    });

    test("with drafts, guessed and accepted as the reference does", async () => {
      using model = await loadTiny();
      const calls: [number, number][] = [];
      const lookup = promptLookup({ numTokens: 10, maxNgram: 2 });
      const spy: DraftMethod = {
        start(options) {
          const drafter = lookup.start(options);
          let drafted = 0;
          return {
            ...drafter,
            async propose(seen, atMost) {
              const ids = await drafter.propose(seen, atMost);
              drafted = ids.length;
              return ids;
            },
            settle: (accepted) => void calls.push([drafted, accepted]),
          };
        },
      };
      expect(await run(model, prompt, { maxNewTokens, draft: spy })).toEqual(expected);
      expect(calls).toEqual(lookupCalls);
      expect(await run(model, prompt, { maxNewTokens, draft: assistant(model) })).toEqual(expected);
    });

    test("stops before the first stop token", async () => {
      using model = await loadTiny();
      const stop = expected.at(-1) as number;
      const ids = await run(model, prompt, { maxNewTokens, stop: [stop] });
      expect(ids).toEqual(expected.slice(0, expected.indexOf(stop)));
    });
  });

  test.each(scores)("scores $continuation after $context as the reference does", async (score) => {
    using model = await loadTiny();
    const { context, continuation, token_logprobs } = score;
    const [result] = await logLikelihoods(model, context, [continuation]);
    expect(result?.isGreedy).toBe(score.is_greedy);
    token_logprobs.forEach((expected, i) => {
      expect(Math.abs((result?.logProbs[i] as number) - expected)).toBeLessThan(1e-4);
    });
  });

  test("a dropped part of the cache is as if it had never been read, in a model of one layer", async () => {
    using model = await createOpenElm(edges["one layer"] as OpenElmConfig, { rng: new Rng(3) });
    using cache = model.createCache({ batch: 1, capacity: 16, rotated: false });
    model.forward(toTokens([1, 5, 2, 7, 3, 9]), { cache });
    cache.drop(1, 3); // deeper layers would remember through later tokens
    const logits = model.forward(toTokens([4, 8]), { cache, logits: "last" });
    const whole = model.forward(toTokens([1, 3, 9, 4, 8]), { logits: "last" });
    await expect(logits).toBeAllClose(whole, { atol: 2e-5 });
  });

  test("one seed gives one text, on every backend", async () => {
    using model = await loadTiny();
    const options = { maxNewTokens: 25, temperature: 1.2, topK: 40, topP: 0.95, repetitionPenalty: 1.1 };
    const draw = (seed: number) => run(model, [1, 5], { ...options, rng: new Rng(seed) });
    const ids = await draw(11);
    expect(await draw(11)).toEqual(ids);
    expect(await draw(12)).not.toEqual(ids);
    drawn[backend] = ids;
    for (const other of Object.values(drawn)) expect(other).toEqual(ids);
  });

  test("a batch of ragged prompts has each one's greedy ids", async () => {
    using model = await loadTiny();
    const [short, long] = [greedy[1] as Greedy, greedy[2] as Greedy];
    const ids: (number | undefined)[][] = [[], []];
    for await (const next of generateBatch(model, [short.prompt, long.prompt], { maxNewTokens: 16 })) {
      for (const [row, id] of next.entries()) ids[row]?.push(id);
    }
    expect(ids).toEqual([short.greedy.slice(0, 16), long.greedy.slice(0, 16)]);
  });

  test("many tokens, an abort and an early exit leave nothing behind", async () => {
    using model = await loadTiny();
    const long = Object.create(model, { contextLength: { value: 300 } }) as OpenElm; // its own context is 32
    const count = backend === "wasm" ? 200 : 20;
    await expectNoLeak(async () => {
      expect((await run(long, [1, 5], { maxNewTokens: count, temperature: 1 })).length).toBe(count);
    });
    const controller = new AbortController();
    await expectNoLeak(async () => {
      const stopped = run(long, [1, 5], { signal: controller.signal });
      await yieldToEventLoop();
      controller.abort(new Error("enough"));
      await expect(stopped).rejects.toThrow("enough");
    });
    await expectNoLeak(async () => {
      for await (const id of generate(long, [1, 5])) if (id >= 0) break;
    });
  });

  test("refuses what does not fit the model's context", async () => {
    using model = await loadTiny();
    await expect(run(model, Array(33).fill(1))).rejects.toThrow("expected at most 32 in all");
    await expect(run(model, [97])).rejects.toThrow("prompt[0] is 97, expected an integer in [0, 97)");
  });
});

function toTokens(...rows: (number | number[])[]): Tensor2D {
  const list = rows.map((row) => [row].flat());
  return tensor(Int32Array.from(list.flat()), [list.length, list[0]?.length ?? 0]);
}
