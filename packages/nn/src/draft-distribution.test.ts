// Speculative sampling keeps the target's distribution: 97 words, and a draft that is another model's.
import { Rng } from "@corenet/core";
import { expect, test } from "vitest";
import { onBackend } from "../../../tools/testing/index.ts";
import { BagOfWordsLm } from "../test/bag-of-words-lm.ts";
import { assistant, type DraftMethod, promptLookup } from "./draft.ts";
import { generate } from "./generate.ts";
import { probabilitiesOf } from "./samplers.ts";

const V = 97;
const draws = 1500;
const length = 3; // tokens of a text: the last comes after accepted and after rejected guesses
const prompt = [5, 9, 5]; // prompt lookup drafts 9 after it, and what follows
const rng = new Rng(17);
const table = Array.from({ length: V }, () => Array.from({ length: V }, () => 1.6 * rng.normal()));
const other = table.map((row) => row.map((x) => 0.5 * x + rng.normal()));

/** What follows words whose rows add up to `logits`. */
const next = (logits: Float64Array) => probabilitiesOf(logits);
const plus = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Float64Array.from(a, (x, i) => x + (b[i] as number));
const start = (of: number[][]) =>
  prompt.reduce<Float64Array>((sum, id) => plus(sum, of[id] as number[]), new Float64Array(V));

/** The probability of each word at each of three places, over all texts that lead there. */
function expectedAt(of: number[][]): Float64Array[] {
  const places = Array.from({ length }, () => new Float64Array(V));
  const visit = (logits: Float64Array, weight: number, place: number) => {
    next(logits).forEach((p, id) => {
      const share = weight * p;
      (places[place] as Float64Array)[id] = ((places[place] as Float64Array)[id] as number) + share;
      if (place + 1 < length && share > 1e-7) visit(plus(logits, of[id] as number[]), share, place + 1);
    });
  };
  visit(start(of), 1, 0);
  return places;
}

/** χ² of counts against probabilities, words of fewer than five expected counts taken together, and its 1-in-1000 bound. */
function chiSquare(counts: ArrayLike<number>, probabilities: Float64Array): { value: number; bound: number } {
  const bins: [seen: number, expected: number][] = [];
  const rest: [number, number] = [0, 0];
  probabilities.forEach((p, id) => {
    const [seen, expected] = [counts[id] as number, draws * p];
    if (expected >= 5) bins.push([seen, expected]);
    else {
      rest[0] += seen;
      rest[1] += expected;
    }
  });
  if (rest[1] >= 5) bins.push(rest);
  const freedom = bins.length - 1;
  const spread = 2 / (9 * freedom);
  return {
    value: bins.reduce((sum, [seen, expected]) => sum + (seen - expected) ** 2 / expected, 0),
    bound: freedom * (1 - spread + 3.09 * Math.sqrt(spread)) ** 3, // Wilson and Hilferty 1931
  };
}

/** How often each word came at each place. */
async function countsOf(of: number[][], draft?: DraftMethod): Promise<Float64Array[]> {
  const model = new BagOfWordsLm(of);
  const counts = Array.from({ length }, () => new Float64Array(V));
  const seeds = new Rng(2024);
  for (let i = 0; i < draws; i++) {
    let place = 0;
    const options = {
      maxNewTokens: length,
      temperature: 1,
      rng: seeds.split(i),
      ...(draft ? { draft } : {}),
    };
    for await (const id of generate(model, prompt, options)) {
      const at = counts[place] as Float64Array;
      at[id] = (at[id] as number) + 1;
      place += 1;
    }
  }
  return counts;
}

/** The same method, which also notes how its guesses went. */
function watched(method: DraftMethod): { draft: DraftMethod; accepted: number[] } {
  const accepted: number[] = [];
  const draft: DraftMethod = {
    start(options) {
      const drafter = method.start(options);
      let drafted = 0;
      return {
        ...drafter,
        async propose(seen, atMost, signal) {
          const ids = await drafter.propose(seen, atMost, signal);
          drafted = ids.length;
          return ids;
        },
        settle(count) {
          if (drafted > 0) accepted.push(count / drafted);
          drafter.settle(count);
        },
      };
    },
  };
  return { draft, accepted };
}

onBackend("wasm", () => {
  const expected = expectedAt(table);

  test("the sums are over all texts, and another model's are seen to be others", async () => {
    for (const place of expected) expect(place.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 2);
    const counts = await countsOf(other);
    counts.forEach((count, place) => {
      const { value, bound } = chiSquare(count, expected[place] as Float64Array);
      expect(value).toBeGreaterThan(2 * bound);
    });
  });

  test.each([
    ["an assistant of another distribution", () => assistant(new BagOfWordsLm(other), { numTokens: 2 })],
    ["prompt lookup", () => promptLookup({ numTokens: 2, maxNgram: 1 })],
  ])("%s: the words at each place are the target's", async (_, method) => {
    const { draft, accepted } = watched(method());
    const counts = await countsOf(table, draft);
    counts.forEach((count, place) => {
      const { value, bound } = chiSquare(count, expected[place] as Float64Array);
      expect(value, `place ${place}`).toBeLessThan(bound);
    });
    expect(accepted.some((share) => share > 0)).toBe(true); // both ways were taken
    expect(accepted.some((share) => share < 1)).toBe(true);
  });
});
