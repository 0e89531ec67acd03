import { Rng } from "@corenet/core";
import { byteTokenizer } from "@corenet/formats";
import fc from "fast-check";
import { expect, test } from "vitest";
import { expectNoLeak, onBackend, onEveryBackend } from "../../../../tools/testing/index.ts";
import { BagOfWordsLm } from "../../test/bag-of-words-lm.ts";
import { logLikelihoods } from "./log-likelihood.ts";
import { accuracyOf, encodePair, scoreMultipleChoice } from "./multiple-choice.ts";
import { perplexity, windows } from "./perplexity.ts";
import { scoreText } from "./score-text.ts";

const V = 7;
const table = Array.from({ length: V }, (_, i) =>
  Array.from({ length: V }, (_, j) => Math.sin(1 + 3.7 * i * i + 1.3 * j * (i + 1))),
);
const create = (contextLength = 32) => new BagOfWordsLm(table, { contextLength });

/** log p of the token that follows `seen`, without a model. */
function logProb(seen: readonly number[], id: number): number {
  const logits = Array.from({ length: V }, (_, j) =>
    seen.reduce((sum, s) => sum + (table[s]?.[j] as number), 0),
  );
  return (logits[id] as number) - Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0));
}
const logProbs = (context: readonly number[], ids: readonly number[]) =>
  ids.map((id, i) => logProb([...context, ...ids.slice(0, i)], id));
const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

onEveryBackend(() => {
  test("log-likelihoods are sums over the continuation", async () => {
    const continuations = [[3], [1, 2, 6], [5, 5]];
    const scores = await logLikelihoods(create(), [0, 4, 1], continuations);
    scores.forEach((score, i) => {
      const expected = logProbs([0, 4, 1], continuations[i] as number[]);
      expect(score.logProbs.length).toBe(expected.length);
      for (const [j, value] of expected.entries()) expect(score.logProbs[j]).toBeCloseTo(value, 4);
      expect(score.sum).toBeCloseTo(sum(expected), 4);
    });
  });

  test("says what greedy decoding would give", async () => {
    const best = Array.from({ length: V }, (_, id) => logProb([2], id));
    const top = best.indexOf(Math.max(...best));
    const [right, wrong] = await logLikelihoods(create(), [2], [[top], [(top + 1) % V]]);
    expect([right?.isGreedy, wrong?.isGreedy]).toEqual([true, false]);
  });

  test("perplexity is the mean over all tokens", async () => {
    const ids = [3, 1, 2, 6, 0, 5];
    const { tokens, nats, perplexity: value } = await perplexity(create(), ids, { bosId: 4 });
    const expected = -sum(logProbs([4], ids));
    expect(tokens).toBe(6);
    expect(nats).toBeCloseTo(expected, 3);
    expect(value).toBeCloseTo(Math.exp(expected / 6), 3);
  });

  test("leaves nothing behind", async () => {
    const model = create();
    await expectNoLeak(async () => void (await logLikelihoods(model, [1], [[2], [3, 4]])));
    await expectNoLeak(async () => void (await perplexity(model, [1, 2, 3])));
    await expectNoLeak(async () => {
      await expect(perplexity(model, [1, 2, 3], { signal: AbortSignal.abort() })).rejects.toThrow("aborted");
    });
  });
});

onBackend("wasm", () => {
  test("a context is read once for all its continuations", async () => {
    const model = create();
    await logLikelihoods(model, [0, 4, 1, 2, 3], [[3], [1, 2], [6]]);
    expect(model.calls).toEqual([4, 1, 2, 1]);
  });

  test("what does not fit keeps the end of the context", async () => {
    const [short, long] = await logLikelihoods(create(4), [0, 4, 1], [[3], [1, 2, 6]]);
    expect(short?.sum).toBeCloseTo(sum(logProbs([0, 4, 1], [3])), 4);
    expect(long?.sum).toBeCloseTo(sum(logProbs([4, 1], [1, 2, 6])), 4);
  });

  test("a smaller stride gives more context to each token", async () => {
    const ids = [3, 1, 2, 6, 0, 5];
    const { nats } = await perplexity(create(), ids, { bosId: 4, contextLength: 3, stride: 1 });
    const sequence = [4, ...ids];
    const expected = -sum(ids.map((id, i) => logProb(sequence.slice(Math.max(0, i - 2), i + 1), id)));
    expect(nats).toBeCloseTo(expected, 3);
  });

  test("windows score every token once, after at most the context and at least the stride's share", () => {
    const sizes = fc.record({
      count: fc.integer({ min: 1, max: 60 }),
      length: fc.integer({ min: 1, max: 20 }),
    });
    fc.assert(
      fc.property(sizes, fc.integer({ min: 1, max: 20 }), ({ count, length }, step) => {
        const stride = Math.min(step, length);
        const all = windows(count, length, stride);
        expect(all.flatMap(({ from, to }) => Array.from({ length: to - from }, (_, i) => from + i))).toEqual(
          Array.from({ length: count }, (_, i) => i),
        );
        for (const { start, from, to } of all) {
          expect(to - start).toBeLessThanOrEqual(length);
          if (from > 0) expect(from - start).toBeGreaterThanOrEqual(Math.min(from, length - stride));
        }
      }),
    );
  });

  test("a text's bits per byte count its bytes", async () => {
    const tokenizer = byteTokenizer();
    const uniform = new BagOfWordsLm(Array.from({ length: 256 }, () => new Array<number>(256).fill(0)));
    const { bitsPerByte, tokens, wordPerplexity } = await scoreText(uniform, tokenizer, "two words");
    expect(tokens).toBe(8); // no bos: the first byte is not scored
    expect(bitsPerByte).toBeCloseTo((8 * 8) / 9, 4);
    expect(Math.log(wordPerplexity)).toBeCloseTo((8 * Math.log(256)) / 2, 3);
  });

  test("multiple choice takes the likeliest, by sum and by character", async () => {
    const tokenizer = byteTokenizer({ specials: ["bos"] });
    const size = tokenizer.vocabSize;
    const likesA = Array.from({ length: size }, () =>
      Array.from({ length: size }, (_, j) => (j === 97 ? 1 : 0)),
    );
    const model = new BagOfWordsLm(likesA, { contextLength: 100 });
    const examples = [
      { context: "Q: one", choices: ["a", "b"], answer: 0 },
      { context: "Q: two", choices: ["aaaa", "b"], answer: 1 },
      { context: "Q: three", choices: ["bb", "ab"], answer: 0 },
    ];
    const seen: number[] = [];
    const score = await scoreMultipleChoice(model, tokenizer, examples, { onResult: (_, i) => seen.push(i) });
    expect(score.results.map(({ correct }) => correct)).toEqual([true, false, false]);
    expect(score.accuracy.value).toBeCloseTo(1 / 3);
    expect(seen).toEqual([0, 1, 2]);

    const rest = await scoreMultipleChoice(model, tokenizer, examples, { done: score.results.slice(0, 2) });
    expect(rest).toEqual(score);
    const options = { numFewShot: 1, rng: new Rng(3) };
    const shot = await scoreMultipleChoice(model, tokenizer, examples, options);
    expect(await scoreMultipleChoice(model, tokenizer, examples, options)).toEqual(shot);
    expect(shot.results).not.toEqual(score.results);
  });

  test("refuses what it cannot score", async () => {
    const model = create(4);
    await expect(logLikelihoods(model, [], [[1]])).rejects.toThrow("the context is empty");
    await expect(logLikelihoods(model, [1], [[]])).rejects.toThrow(
      "continuation 0 has 0 tokens, expected 1 to 4",
    );
    await expect(perplexity(model, [1])).rejects.toThrow("got 1 tokens and no bosId");
    await expect(perplexity(model, [1, 2], { stride: 5 })).rejects.toThrow(
      "stride is 5, expected an integer in [1, 4]",
    );
    const tokenizer = byteTokenizer();
    await expect(scoreMultipleChoice(model, tokenizer, [])).rejects.toThrow("got 0 examples");
    const bad = { context: "a", choices: ["b"], answer: 1 };
    await expect(scoreMultipleChoice(model, tokenizer, [bad])).rejects.toThrow(
      "example 0 has 1 choices and the answer 1",
    );
    const good = { context: "a", choices: ["b"], answer: 0 };
    await expect(scoreMultipleChoice(model, tokenizer, [good], { numFewShot: 1 })).rejects.toThrow(
      "numFewShot is 1",
    );
  });
});

test("spaces at the end of a context belong to what follows", () => {
  const tokenizer = byteTokenizer({ specials: ["bos"] });
  expect(encodePair(tokenizer, "ab  ", "c")).toEqual({ context: [256, 97, 98], continuation: [32, 32, 99] });
  expect(() => encodePair(byteTokenizer(), "", "c")).toThrow("gives 0 and 1 tokens");
});

test("an accuracy says how uncertain it is", () => {
  const { value, standardError, interval95 } = accuracyOf([true, true, false, true]);
  expect(value).toBe(0.75);
  expect(standardError).toBeCloseTo(0.25, 6);
  expect(interval95[0]).toBeCloseTo(0.3006, 3); // Wilson 1927
  expect(interval95[1]).toBeCloseTo(0.9544, 3);
});
