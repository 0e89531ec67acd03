import type { Tokenizer } from "@corenet/formats";
import { byteTokenizer } from "@corenet/formats";
import { describe, expect, test } from "vitest";
import { loadGolden } from "../../../tools/testing/index.ts";
import { answerSample, instructionPrompt } from "./instruction-samples.ts";
import { countCharacters, splitDocument, textSamples } from "./text-samples.ts";

const { json } = await loadGolden("openelm/data");
/** The reference's toy: id = 3 + code point mod 93. */
const toy: Tokenizer = {
  ...byteTokenizer(),
  ...{ vocabSize: 96, bosId: 1, eosId: 2 },
  encode: (text) => Array.from(text, (character) => 3 + ((character.codePointAt(0) as number) % 93)),
};
const options = {
  contextLength: json.config.sequence_length,
  minTokens: json.config.min_tokens_per_text,
  minCharacters: json.config.min_characters_per_text,
};

interface Row {
  readonly text: string;
  readonly characters_counted: number;
  readonly ids: number;
  readonly samples: number[] | null;
  readonly targets: number[] | null;
}

describe.each(json.rows as Row[])("$text", (row) => {
  test("counts and samples as the reference", () => {
    expect(countCharacters(row.text)).toBe(row.characters_counted);
    expect(toy.encode(row.text).length + 2).toBe(row.ids);
    const samples = [...textSamples(row.text, toy, options)].map(({ tokens, targets }) => [
      [...tokens],
      [...targets],
    ]);
    expect(samples).toEqual(row.samples ? [[row.samples, row.targets]] : []);
  });
});

test("documents are cut at single spaces", () => {
  expect(splitDocument(json.split.document, 3)).toEqual(json.split.pieces);
});

test("prompts have the reference's blanks", () => {
  const plain = { instruction: "Q?" };
  expect(`${instructionPrompt(plain)}the correct answer is true`).toBe(json.prompts.plain);
  expect(`${instructionPrompt({ ...plain, input: "I" })}O`).toBe(json.prompts.with_input);
});

test("a piece is mended behind the filter, before it is encoded", () => {
  const short = { contextLength: 8, minTokens: 1, minCharacters: 3 };
  const sample = (text: string, normalize?: (text: string) => string) =>
    [...textSamples(text, toy, { ...short, ...(normalize ? { normalize } : {}) })].map(({ tokens }) => [
      ...tokens,
    ]);
  expect(sample("cafe\u0301")).toEqual(sample("caf\u00e9")); // NFC
  const mend = (text: string) => text.replaceAll("Ã©", "é");
  expect(sample("cafÃ©", mend)).toEqual(sample("café"));
  expect(sample("abc", () => "a")).toHaveLength(1);
});

test("samples need not be padded", () => {
  const texts = ["ab", "a much longer text"];
  for (const text of texts) {
    const [padded, plain] = [true, false].map(
      (padded) =>
        [...textSamples(text, toy, { contextLength: 8, minTokens: 1, minCharacters: 1, padded })][0],
    );
    const used = plain?.tokens.length ?? 0;
    expect(used).toBe(Math.min(8, text.length + 1));
    expect([...(padded?.tokens ?? [])].slice(0, used)).toEqual([...(plain?.tokens ?? [])]);
    expect([...(padded?.targets ?? [])].slice(used).every((id) => id === 96)).toBe(true);
  }
});

test("an answer alone is predicted, with its end", () => {
  const sample = answerSample("ab", "cd", toy, { contextLength: 8 });
  const [a, b, c, d] = toy.encode("abcd");
  expect([...(sample?.tokens ?? [])]).toEqual([1, a, b, c, d, 2, 96, 96]);
  expect([...(sample?.targets ?? [])]).toEqual([96, 96, c, d, 2, 96, 96, 96]);
  const whole = answerSample("ab", "cd", toy, { contextLength: 8, predictPrompt: true });
  expect([...(whole?.targets ?? [])]).toEqual([a, b, c, d, 2, 96, 96, 96]);
  expect([...(answerSample("ab", "cd", toy, { contextLength: 3 })?.targets ?? [])]).toEqual([96, 96, c]);
  expect(answerSample("ab", "cd", toy, { contextLength: 2 })).toBeNull();
  const ignoring = answerSample("ab", "cd", toy, { contextLength: 8, padId: 2, ignoreId: -100 });
  expect([...(ignoring?.tokens ?? [])]).toEqual([1, a, b, c, d, 2, 2, 2]);
  expect([...(ignoring?.targets ?? [])]).toEqual([-100, -100, c, d, 2, -100, -100, -100]);
});

test("says what a tokenizer lacks", () => {
  expect(() => [...textSamples("a", byteTokenizer())]).toThrow("has no bos or no eos");
  expect(() => [...textSamples("a", toy, { contextLength: 0 })]).toThrow("contextLength is 0");
});
