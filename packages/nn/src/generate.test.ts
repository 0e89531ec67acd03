import { isAbortError, type Progress, Rng, sleep } from "@corenet/core";
import { memory, tensor } from "@corenet/tensor";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { expectNoLeak, onEveryBackend } from "../../../tools/testing/index.ts";
import { BagOfWordsLm } from "../test/bag-of-words-lm.ts";
import { assistant, promptLookup } from "./draft.ts";
import { type GenerateOptions, generate, generateTokens } from "./generate.ts";
import { PromptCache } from "./prompt-cache.ts";

const V = 7;
/** Row i of the table: what token i makes likely. No two sums of rows are equal. */
const table = Array.from({ length: V }, (_, i) =>
  Array.from({ length: V }, (_, j) => 2 * Math.sin(1 + 3.7 * i * i + 1.3 * j * (i + 1))),
);
const create = (options?: { contextLength: number }) => new BagOfWordsLm(table, options);

const collect = async (ids: AsyncIterable<number>): Promise<number[]> => {
  const list: number[] = [];
  for await (const id of ids) list.push(id);
  return list;
};
const run = (model: BagOfWordsLm, prompt: number[], options?: GenerateOptions) =>
  collect(generate(model, prompt, options));

/** The greedy continuation, without a model. */
function continuation(prompt: readonly number[], count: number): number[] {
  const seen = [...prompt];
  for (let n = 0; n < count; n++) {
    const logits = Array.from({ length: V }, (_, j) =>
      seen.reduce((sum, id) => sum + (table[id]?.[j] as number), 0),
    );
    seen.push(logits.indexOf(Math.max(...logits)));
  }
  return seen.slice(prompt.length);
}

onEveryBackend(() => {
  test("takes the most likely token after all that came before", async () => {
    expect(await run(create(), [1, 4], { maxNewTokens: 8 })).toEqual(continuation([1, 4], 8));
  });

  test("reads the prompt in pieces of any size, then token by token", async () => {
    const prompts = fc.array(fc.nat(V - 1), { minLength: 1, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(prompts, fc.integer({ min: 1, max: 14 }), async (prompt, prefillChunk) => {
        const model = create();
        expect(await run(model, prompt, { maxNewTokens: 3, prefillChunk })).toEqual(continuation(prompt, 3));
        const pieces = Math.ceil(prompt.length / prefillChunk);
        expect(Math.max(...model.calls)).toBeLessThanOrEqual(prefillChunk);
        expect(model.calls.length).toBe(pieces + 2); // the third new token is never read
      }),
      { numRuns: 20 },
    );
  });

  test("reports the reading of the prompt", async () => {
    const events: Progress[] = [];
    await run(create(), [1, 2, 3, 4, 5], {
      maxNewTokens: 2,
      prefillChunk: 2,
      onProgress: (e) => events.push(e),
    });
    expect(events.map(({ phase, done, total, unit }) => [phase, done, total, unit])).toEqual([
      ["prefill", 2, 5, "token"],
      ["prefill", 4, 5, "token"],
      ["prefill", 5, 5, "token"],
    ]);
  });

  test("stops before a stop token, though not for one in the prompt", async () => {
    const whole = continuation([1, 4], 12);
    const stop = whole[3] as number;
    const expected = whole.slice(0, whole.indexOf(stop));
    expect(await run(create(), [1, 4], { maxNewTokens: 12, stop: [stop] })).toEqual(expected);
    const said = whole.findIndex((id) => id === 1 || id === 4);
    const rest = said < 0 ? whole : whole.slice(0, said);
    expect(await run(create(), [1, 4], { maxNewTokens: 12, stop: [1, 4] })).toEqual(rest);
  });

  test("fills the context when nobody says how much", async () => {
    const model = create({ contextLength: 10 });
    expect(await run(model, [1, 4])).toEqual(continuation([1, 4], 8));
  });

  test("zero new tokens are none, and no work", async () => {
    const model = create();
    expect(await run(model, [1, 4], { maxNewTokens: 0 })).toEqual([]);
    expect(model.calls).toEqual([]);
  });

  test("a prompt may fill the context to the last position", async () => {
    const model = create({ contextLength: 4 });
    expect(await run(model, [1, 2, 3], { maxNewTokens: 1 })).toEqual(continuation([1, 2, 3], 1));
    expect(await run(model, [1, 2, 3, 4])).toEqual([]);
  });

  describe("sampling", () => {
    const options = { maxNewTokens: 20, temperature: 2 };

    test("one seed gives one text; the seed is 0 when none is given", async () => {
      const draw = (rng?: Rng) => run(create(), [1, 4], { ...options, ...(rng && { rng }) });
      expect(await draw(new Rng(7))).toEqual(await draw(new Rng(7)));
      expect(await draw(new Rng(7))).not.toEqual(await draw(new Rng(8)));
      expect(await draw()).toEqual(await draw(new Rng(0)));
    });

    test("a strong penalty says everything once before anything twice", async () => {
      const ids = await run(create(), [0], { maxNewTokens: V - 1, repetitionPenalty: 1e6 });
      expect(new Set([0, ...ids]).size).toBeGreaterThan(new Set([0, ...continuation([0], V - 1)]).size);
    });
  });

  describe("a cache of the caller's", () => {
    test("survives, and holds the prompt and all new tokens but the last", async () => {
      const model = create();
      using cache = model.createCache({ batch: 1, capacity: 20 });
      const first = await run(model, [1, 4], { maxNewTokens: 5, cache });
      expect(cache.length).toBe(2 + 5 - 1);
      const more = await run(model, [first.at(-1) as number], { maxNewTokens: 3, cache });
      expect([...first, ...more]).toEqual(continuation([1, 4], 8));
      expect(cache.length).toBe(2 + 8 - 1);
    });

    test("bounds what can be added", async () => {
      const model = create();
      using cache = model.createCache({ batch: 1, capacity: 5 });
      expect(await run(model, [1, 4], { cache })).toEqual(continuation([1, 4], 3));
      await expect(run(model, [1], { cache, maxNewTokens: 1 })).rejects.toThrow("and 5 in the cache");
    });

    test("survives an early exit and an abort", async () => {
      const model = create();
      using cache = model.createCache({ batch: 1, capacity: 20 });
      for await (const id of generate(model, [1, 4], { cache })) if (id >= 0) break;
      expect(cache.length).toBe(2);
      const stopped = run(model, [1], { cache, signal: AbortSignal.abort(new Error("enough")) });
      await expect(stopped).rejects.toThrow("enough");
      expect(cache.length).toBe(2);
    });
  });

  describe("a sliding window", () => {
    test("forgets half of the context behind the first tokens, again and again", async () => {
      const ids = await run(create({ contextLength: 8 }), [1, 4, 2], {
        maxNewTokens: 20,
        slide: { keepFirst: 2 },
      });
      const seen = [1, 4, 2];
      const held = [1, 4, 2]; // what the window still sees
      for (const id of ids) {
        expect(id).toBe(continuation(held, 1)[0]);
        seen.push(id);
        if (held.length + 1 > 8) held.splice(2, 3);
        held.push(id);
      }
      expect(ids).toHaveLength(20);
    });

    test("goes on until it is stopped where nobody says how much", async () => {
      let count = 0;
      for await (const id of generate(create({ contextLength: 8 }), [1, 4], { slide: {} })) {
        if (id >= 0 && ++count === 50) break;
      }
      expect(count).toBe(50);
    });
  });

  describe("a prompt cache", () => {
    test("reads what is new alone, and gives the same tokens", async () => {
      const model = create();
      using promptCache = new PromptCache(model);
      const first = await run(model, [1, 4, 2], { maxNewTokens: 4, promptCache });
      expect(first).toEqual(continuation([1, 4, 2], 4));
      expect(promptCache.ids).toEqual([1, 4, 2, ...first.slice(0, 3)]);

      const turn = [1, 4, 2, ...first, 5, 0];
      model.calls.length = 0;
      expect(await run(model, turn, { maxNewTokens: 3, promptCache })).toEqual(continuation(turn, 3));
      expect(model.calls).toEqual([3, 1, 1]); // the last of the answer, and the two new ones

      const other = [1, 4, 6];
      model.calls.length = 0;
      const draft = assistant(create());
      expect(await run(model, other, { maxNewTokens: 3, promptCache, draft })).toEqual(
        continuation(other, 3),
      );
      expect(model.calls[0]).toBe(3); // one new id and two drafted
      expect(await run(model, other, { maxNewTokens: 1, promptCache })).toEqual(continuation(other, 1));
    });

    test("holds what was read when the loop is left, and frees it once", async () => {
      const model = create();
      await expectNoLeak(async () => {
        using promptCache = new PromptCache(model, { capacity: 8 });
        for await (const id of generate(model, [1, 4], { promptCache })) if (id >= 0) break;
        expect(promptCache.ids).toEqual([1, 4]);
        await expect(run(model, [1, 4], { promptCache, maxNewTokens: 7 })).rejects.toThrow(
          "and 8 in the cache",
        );
      });
    });
  });

  describe("drafts", () => {
    const drafts = {
      "prompt lookup": () => promptLookup({ numTokens: 4 }),
      "the model itself": () => assistant(create()),
      "another model": () =>
        assistant(new BagOfWordsLm(table.map((row) => row.map((x) => x + Math.sin(9 * x))))),
    };

    test.each(Object.entries(drafts))("%s changes nothing, greedy or sampled", async (_, draft) => {
      const prompts = fc.array(fc.nat(V - 1), { minLength: 1, maxLength: 6 });
      await fc.assert(
        fc.asyncProperty(prompts, fc.constantFrom(0, 1.5), fc.nat(), async (prompt, temperature, seed) => {
          const options = { maxNewTokens: 14, temperature, repetitionPenalty: 1.1 };
          const plain = await run(create(), prompt, { ...options, rng: new Rng(seed) });
          const drafted = await run(create(), prompt, { ...options, rng: new Rng(seed), draft: draft() });
          expect(drafted).toEqual(plain);
        }),
        { numRuns: 8 },
      );
    });

    test("a right guess saves passes", async () => {
      const model = create();
      await run(model, [1, 4], { maxNewTokens: 12, draft: drafts["the model itself"]() });
      expect(model.calls).toEqual([1, 6, 6]); // 2 prompt ids with 5 drafted; then 7 are wanted, 5 remain to be drafted
    });

    test("leave a cache as it would be without them", async () => {
      for (const stop of [[], [continuation([1, 4], 9)[6] as number]]) {
        const model = create();
        using plain = model.createCache({ batch: 1, capacity: 20 });
        using drafted = model.createCache({ batch: 1, capacity: 20 });
        await run(model, [1, 4], { maxNewTokens: 9, stop, cache: plain });
        await run(model, [1, 4], {
          maxNewTokens: 9,
          stop,
          cache: drafted,
          draft: drafts["the model itself"](),
        });
        expect(drafted.length).toBe(plain.length);
      }
      const model = create();
      using cache = model.createCache({ batch: 1, capacity: 20 });
      for await (const id of generate(model, [1, 4], { cache, draft: drafts["the model itself"]() })) {
        if (id >= 0) break;
      }
      expect(cache.length).toBe(2);
    });

    test("leave no memory behind", async () => {
      const model = create();
      const helper = create();
      await expectNoLeak(async () => {
        for await (const id of generate(model, [1, 4], { draft: assistant(helper) })) if (id >= 0) break;
      });
    });

    test("must fit the model", async () => {
      const small = new BagOfWordsLm([
        [1, 2],
        [3, 4],
      ]);
      await expect(run(create(), [1], { draft: assistant(small) })).rejects.toThrow(
        "assistant: it has 2 tokens and the model 7, expected the same tokenizer.",
      );
      expect(() => promptLookup({ numTokens: 0 })).toThrow("numTokens is 0");
      expect(() => assistant(small, { numTokens: 0 })).toThrow("numTokens is 0");
    });
  });

  test("gives the logits of each token", async () => {
    for await (const { id, logits } of generateTokens(create(), [1, 4], { maxNewTokens: 1 })) {
      const expected = Array.from(
        { length: V },
        (_, j) => (table[1]?.[j] as number) + (table[4]?.[j] as number),
      );
      await expect(tensor([...logits])).toBeAllClose(expected);
      expect(id).toBe(expected.indexOf(Math.max(...expected)));
    }
  });

  describe("aborting", () => {
    test("may end the loop instead", async () => {
      const controller = new AbortController();
      const ids: number[] = [];
      const options = { signal: controller.signal, onAbort: "stop" } as const;
      for await (const id of generate(create(), [1, 4], options)) {
        ids.push(id);
        if (ids.length === 3) controller.abort();
      }
      expect(ids).toEqual(continuation([1, 4], 3));
      expect(await run(create(), [1, 4], options)).toEqual([]);
    });

    const reason = new Error("the user left");

    test("before: nothing is computed", async () => {
      const model = create();
      await expectNoLeak(async () => {
        const stopped = run(model, [1, 4], { signal: AbortSignal.abort(reason) });
        await expect(stopped).rejects.toBe(reason);
      });
      expect(model.calls).toEqual([]);
    });

    test("while the prompt is read", async () => {
      const model = create();
      const controller = new AbortController();
      model.onForward = () => {
        if (model.calls.length === 2) controller.abort(reason);
      };
      await expectNoLeak(async () => {
        const stopped = run(model, [1, 2, 3, 4, 5], { prefillChunk: 1, signal: controller.signal });
        await expect(stopped).rejects.toBe(reason);
      });
      expect(model.calls.length).toBe(3);
    });

    test("by a timer, while a long prompt is read", async () => {
      const model = create({ contextLength: 1e6 });
      model.onForward = () => {
        const end = performance.now() + 3;
        while (performance.now() < end);
      };
      const prompt = Array.from({ length: 2000 }, () => 1);
      const stopped = run(model, prompt, {
        prefillChunk: 1,
        maxNewTokens: 1,
        signal: AbortSignal.timeout(30),
      });
      await expect(stopped).rejects.toSatisfy(
        (error) => error instanceof DOMException && !isAbortError(error),
      );
      expect(model.calls.length).toBeLessThan(500);
    });

    test("between two tokens", async () => {
      const model = create();
      const controller = new AbortController();
      const ids: number[] = [];
      await expectNoLeak(async () => {
        const read = async () => {
          for await (const id of generate(model, [1, 4], { signal: controller.signal })) {
            ids.push(id);
            if (ids.length === 3) controller.abort(reason);
          }
        };
        await expect(read()).rejects.toBe(reason);
      });
      expect(ids).toEqual(continuation([1, 4], 3));
    });

    test("at the last token, before the loop has ended", async () => {
      const controller = new AbortController();
      const read = async () => {
        for await (const id of generate(create(), [1, 4], { maxNewTokens: 1, signal: controller.signal }))
          if (id >= 0) controller.abort(reason);
      };
      await expect(read()).rejects.toBe(reason);
    });

    test("after the last token does nothing", async () => {
      const controller = new AbortController();
      const ids = await run(create(), [1, 4], { maxNewTokens: 3, signal: controller.signal });
      controller.abort(reason);
      await sleep(1);
      expect(ids.length).toBe(3);
    });
  });

  describe("leaves nothing behind", () => {
    test("at the end, at a stop token, or when the loop is left early", async () => {
      const model = create();
      await expectNoLeak(async () => void (await run(model, [1, 4], { maxNewTokens: 6 })));
      await expectNoLeak(async () => void (await run(model, [1, 4], { stop: [0, 1, 2, 3, 4, 5, 6] })));
      await expectNoLeak(async () => {
        let count = 0;
        for await (const id of generate(model, [1, 4])) if (id >= 0 && ++count === 3) break;
      });
      await expectNoLeak(async () => {
        const ids = generate(model, [1, 4]);
        await ids.next();
        await ids.return();
      });
    });

    test("when the model throws", async () => {
      const model = create();
      model.onForward = () => {
        if (model.calls.length === 3) throw new Error("device lost");
      };
      await expectNoLeak(async () => await expect(run(model, [1, 4])).rejects.toThrow("device lost"));
    });

    test("takes no memory before the first token is asked for", () => {
      const model = create();
      const before = memory().numTensors;
      void generate(model, [1, 4]);
      expect(memory().numTensors).toBe(before);
    });
  });
});

describe("refuses", () => {
  const model = create({ contextLength: 8 });
  const error = (prompt: number[], options?: GenerateOptions) =>
    run(model, prompt, options).then(
      () => "nothing",
      (error: Error) => `${error.name}: ${error.message}`,
    );

  test("an empty prompt", async () => {
    expect(await error([])).toBe(
      "RangeError: generate: the prompt is empty, expected at least one token. Start with the model's bos token.",
    );
  });

  test("tokens outside the vocabulary", async () => {
    expect(await error([1, 7])).toBe(
      "RangeError: generate: prompt[1] is 7, expected an integer in [0, 7). Is this the model's tokenizer?",
    );
    expect(await error([1.5])).toContain("prompt[0] is 1.5");
    expect(await error([-1])).toContain("prompt[0] is -1");
  });

  test("more than the context holds", async () => {
    expect(await error([1, 2, 3], { maxNewTokens: 6 })).toBe(
      "RangeError: generate: 3 tokens and 6 new ones, expected at most 8 in all. " +
        "Shorten the prompt, or lower maxNewTokens to 5.",
    );
    expect(await error(Array(9).fill(1))).toBe(
      "RangeError: generate: 9 tokens and 0 new ones, expected at most 8 in all. Shorten the prompt.",
    );
  });

  test("counts that cannot be", async () => {
    expect(await error([1], { maxNewTokens: -1 })).toBe(
      "RangeError: generate: maxNewTokens is -1, expected a non-negative integer.",
    );
    expect(await error([1], { maxNewTokens: 1.5 })).toContain("maxNewTokens is 1.5");
    expect(await error([1], { prefillChunk: 0 })).toBe(
      "RangeError: generate: prefillChunk is 0, expected an integer of at least 1.",
    );
    expect(await error([1], { prefillChunk: Number.NaN })).toContain("prefillChunk is NaN");
    expect(await error([1], { temperature: -1 })).toContain("temperature is -1");
    expect(await error([1], { slide: { keepFirst: 8 } })).toContain(
      "keepFirst is 8, expected an integer in [0, 8)",
    );
    expect(await error([1], { slide: {}, draft: promptLookup() })).toContain(
      "slide came with a cache or a draft",
    );
    expect(await error(Array(9).fill(1), { slide: {} })).toContain("9 tokens");
  });
});
