import { Rng } from "@corenet/core";
import { byteTokenizer } from "@corenet/formats";
import fc from "fast-check";
import { expect, test } from "vitest";
import { onBackend } from "../../../tools/testing/index.ts";
import { BagOfWordsLm } from "../test/bag-of-words-lm.ts";
import { type GenerateTextOptions, generateText, releaseText } from "./generate-text.ts";
import { topLogProbs } from "./top-log-probs.ts";

const tokenizer = byteTokenizer({ specials: ["bos", "eos"] });
const V = tokenizer.vocabSize;

/** A model that says the letters of `text` one after another, then eos: a place's logits depend on the last token. */
function parrot(text: string): BagOfWordsLm {
  const bytes = [...new TextEncoder().encode(text)];
  const order = [256, ...bytes, 257];
  const rows = Array.from({ length: V }, () => new Float32Array(V));
  // Token k adds 1 to its successor and takes 1 from itself, so that the newest successor stands out.
  order.slice(0, -1).forEach((id, k) => {
    const next = order[k + 1] as number;
    (rows[id] as Float32Array)[next] = 1 + k;
    (rows[id] as Float32Array)[id] = -100;
  });
  return new BagOfWordsLm(
    rows.map((row) => [...row]),
    { contextLength: 100 },
  );
}

const pieces = async (text: string, options: Partial<GenerateTextOptions> = {}) => {
  const all: string[] = [];
  const source = generateText(parrot(text), tokenizer, { prompt: "", ...options });
  for await (const piece of source) all.push(piece);
  return all;
};

onBackend("wasm", () => {
  test("begins with bos, ends at eos, and brings characters whole", async () => {
    expect((await pieces("Zürich🙂")).join("|")).toBe("Z|ü|r|i|c|h|🙂");
  });

  test("ends before a stop string, however it is cut into tokens", async () => {
    expect((await pieces("abcdefg", { stopStrings: ["def"] })).join("")).toBe("abc");
    expect((await pieces("abcdefg", { stopStrings: ["dex", "g"] })).join("")).toBe("abcdef");
    expect((await pieces("abcde", { stopStrings: ["def"] })).join("")).toBe("abcde");
  });

  test("says what it cannot continue", async () => {
    const small = new BagOfWordsLm([[0]]);
    await expect(generateText(small, tokenizer, { prompt: "a" }).next()).rejects.toThrow(
      "the tokenizer has 258 tokens and the model 1",
    );
    await expect(pieces("a", { addBos: false })).rejects.toThrow("the prompt is empty");
    await expect(pieces("a", { stopStrings: [""] })).rejects.toThrow("a stop string is empty");
    await expect(
      generateText(parrot("a"), byteTokenizer(), { prompt: "a", addBos: true }).next(),
    ).rejects.toThrow("has no bos");
  });
});

test("text given out piece by piece is the text before the first stop string", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 20 });
  const stops = fc.array(fc.string({ unit: fc.constantFrom("a", "b"), minLength: 1, maxLength: 4 }), {
    maxLength: 3,
  });
  fc.assert(
    fc.property(text, stops, (whole, stopStrings) => {
      let held = "";
      let out = "";
      let done = false;
      for (const letter of whole) {
        const step = releaseText(held + letter, stopStrings);
        out += step.text;
        held = step.rest;
        done = step.ended;
        if (done) break;
      }
      const ends = Array.from({ length: whole.length + 1 }, (_, end) => whole.slice(0, end)).find((start) =>
        stopStrings.some((stop) => start.endsWith(stop)),
      );
      const cut =
        ends === undefined
          ? whole
          : ends.slice(
              0,
              Math.min(...stopStrings.filter((s) => ends.includes(s)).map((s) => ends.indexOf(s))),
            );
      expect(done ? out : out + held).toBe(cut);
    }),
  );
});

test("the most likely tokens with their log-probabilities", () => {
  const rng = new Rng(2);
  const logits = Float32Array.from({ length: 50 }, () => rng.normal());
  const { logProb, alternatives } = topLogProbs(logits, 7, 5);
  const total = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0));
  expect(logProb).toBeCloseTo((logits[7] as number) - total, 6);
  const order = [...logits.keys()].sort((a, b) => (logits[b] as number) - (logits[a] as number));
  expect(alternatives.map(({ id }) => id)).toEqual(order.slice(0, 5));
  expect(
    topLogProbs(logits, 0, 50).alternatives.reduce((sum, a) => sum + Math.exp(a.logProb), 0),
  ).toBeCloseTo(1, 6);
  expect(topLogProbs(logits, 0, 0).alternatives).toEqual([]);
  expect(() => topLogProbs(logits, 50, 1)).toThrow("id is 50");
});
