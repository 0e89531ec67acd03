import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { FormatError } from "@corenet/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bytesSource } from "../bytes-source.ts";
import type { Tokenizer } from "../tokenizer.ts";
import { jsonTokenizer } from "./json-tokenizer.ts";
import { loadTokenizer } from "./load-tokenizer.ts";
import { mergePieces } from "./merge-pieces.ts";
import { sentencePieceTokenizer } from "./sentencepiece-tokenizer.ts";

const golden = new URL("../../../../golden/tokenizers/", import.meta.url);
const read = (name: string) => new Uint8Array(readFileSync(new URL(name, golden)));
const json = (name: string) => JSON.parse(readFileSync(new URL(name, golden), "utf8"));
const expected = json("encodings.json");
const model = read("sentencepiece.model");

const tokenizers: Record<string, Tokenizer> = {
  sentencepiece: sentencePieceTokenizer(model),
  llama: await jsonTokenizer(json("llama.tokenizer.json")),
  "byte-level": await jsonTokenizer(json("byte-level.tokenizer.json")),
};

describe.each(Object.entries(tokenizers))("%s", (name, tokenizer) => {
  test.each(expected[name] as { text: string; ids: number[]; decoded: string }[])(
    "encodes and decodes $text as the reference",
    ({ text, ids, decoded }) => {
      expect([...tokenizer.encode(text)]).toEqual(ids);
      expect(tokenizer.decode(ids)).toBe(decoded);
    },
  );

  test("token by token gives the same text", () => {
    const ids = fc.array(fc.integer({ min: 3, max: tokenizer.vocabSize - 1 }), { maxLength: 20 });
    fc.assert(
      fc.property(ids, (list) => {
        const decoder = tokenizer.decoder();
        const text = list.map((id) => decoder.push(id)).join("") + decoder.end();
        expect(text).toBe(tokenizer.decode(list));
      }),
    );
  });

  test("holds back a character until all its bytes are there", () => {
    const decoder = tokenizer.decoder();
    const pieces = Array.from(tokenizer.encode("a🙂b"), (id) => decoder.push(id));
    expect(pieces.join("") + decoder.end()).toBe("a🙂b");
    expect(pieces.join("|")).not.toContain("\ufffd");
  });

  test("brings text back", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 30 }), (text) => {
        fc.pre(!text.includes("▁")); // the sign of a space itself cannot come back
        expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
      }),
    );
  });

  test("refuses ids that it does not have", () => {
    expect(() => tokenizer.decode([tokenizer.vocabSize])).toThrow(
      `expected an integer in [0, ${tokenizer.vocabSize})`,
    );
    expect(() => tokenizer.decode([1.5])).toThrow(RangeError);
  });
});

test("LLaMA's special ids", () => {
  expect(tokenizers.sentencepiece).toMatchObject({ bosId: 1, eosId: 2, vocabSize: 700 });
  expect(tokenizers.llama).toMatchObject({ bosId: 1, eosId: 2, vocabSize: 700 });
  expect(tokenizers["byte-level"]).toMatchObject({ eosId: 0 });
  expect(tokenizers.sentencepiece?.decode([1, 620, 2])).toBe("");
});

test("merges the highest score first, then the leftmost", () => {
  const scores = new Map([
    ["ab", -1],
    ["bc", 0],
    ["aa", -2],
  ]);
  const merge = (text: string) => mergePieces([...text], (piece) => scores.get(piece));
  expect(merge("abc")).toEqual(["a", "bc"]);
  expect(merge("aaa")).toEqual(["aa", "a"]);
  expect(merge("")).toEqual([]);
  expect(
    mergePieces(
      [..."abc"],
      (piece) => scores.get(piece),
      (i) => i === 2,
    ),
  ).toEqual(["ab", "c"]);
});

test("finds the tokenizer among the files of a model", async () => {
  const folder = fileURLToPath(golden);
  expect((await loadTokenizer(`${folder}sentencepiece.model`)).vocabSize).toBe(700);
  expect((await loadTokenizer(`${folder}byte-level.tokenizer.json`)).vocabSize).toBe(600);
  await expect(loadTokenizer(folder)).rejects.toThrow(
    /neither tokenizer\.json nor tokenizer\.model.*Llama 2/,
  );
  await expect(loadTokenizer(`${folder}nothing.model`)).rejects.toThrow("ENOENT");
});

test("takes the names of special tokens from the config", async () => {
  const file = (name: string, text: string) => bytesSource(new TextEncoder().encode(text), { name });
  const sources = [
    file("tokenizer.json", JSON.stringify(json("llama.tokenizer.json"))),
    file("tokenizer_config.json", '{"bos_token":{"content":"<unk>"},"eos_token":"<s>"}'),
  ];
  expect(await loadTokenizer(sources)).toMatchObject({ bosId: 0, eosId: 1 });
});

test("refuses broken and foreign files, and never hangs on them", async () => {
  await expect(jsonTokenizer({})).rejects.toThrow("has no model");
  await expect(jsonTokenizer({ model: { type: "nonsense", vocab: { a: 0 } } })).rejects.toThrow(
    "cannot be used",
  );
  expect(() => sentencePieceTokenizer(new Uint8Array(0))).toThrow("holds no pieces");
  expect(() => sentencePieceTokenizer(model.slice(0, 200))).toThrow(FormatError);
  const unigram = model.slice();
  const at = unigram.findIndex((_, i) => unigram[i] === 0x18 && unigram[i + 1] === 2 && i > 9000);
  unigram[at + 1] = 1;
  expect(() => sentencePieceTokenizer(unigram)).toThrow(/is a unigram model, expected BPE/);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat({ max: model.length - 1 }), (noise, offset) => {
      const file = model.slice();
      file.set(noise.subarray(0, file.length - offset), offset);
      for (const bytes of [noise, file]) {
        try {
          sentencePieceTokenizer(bytes).encode("a b");
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }
    }),
  );
});

test("a tokenizer.json with anything in it is a tokenizer or a FormatError", async () => {
  const original = json("llama.tokenizer.json");
  const parts = ["model", "normalizer", "pre_tokenizer", "post_processor", "decoder", "added_tokens"];
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...parts),
      fc.jsonValue(),
      fc.boolean(),
      async (part, value, isInside) => {
        const changed = isInside
          ? { ...original, [part]: { ...original[part], type: value, vocab: value, merges: value } }
          : { ...original, [part]: value };
        try {
          const tokenizer = await jsonTokenizer(changed);
          expect(tokenizer.vocabSize).toBeGreaterThanOrEqual(0);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      },
    ),
    { numRuns: 200 },
  );
});

test("an id that no token can have is named", async () => {
  const original = json("llama.tokenizer.json");
  const { model } = original;
  const text = (vocab: object, added: object[]) =>
    JSON.stringify({ ...original, model: { ...model, vocab }, added_tokens: added });
  const load = (file: string) =>
    loadTokenizer([bytesSource(new TextEncoder().encode(file), { name: "tokenizer.json" })]);
  for (const id of ["1e999", "9007199254740993", "-1", "16777216", '"x"', "null", "0.5", "[]"]) {
    const inVocab = text({ ...model.vocab, "▁the": "ID" }, original.added_tokens).replace('"ID"', id);
    await expect(load(inVocab), id).rejects.toThrow(
      /gives "▁the" the id .*, expected an integer in \[0, 16777216\)/,
    );
    const added = text(model.vocab, [{ ...original.added_tokens[0], id: "ID" }]).replace('"ID"', id);
    await expect(load(added), id).rejects.toThrow('gives "<unk>" the id');
  }
  for (const vocab of ["3", "null", '"x"', "{}"]) {
    const file = JSON.stringify({ ...original, model: { ...model, vocab: "VOCAB" } }).replace(
      '"VOCAB"',
      vocab,
    );
    await expect(load(file), vocab).rejects.toThrow("has no vocab in its model");
  }
});

test("a tokenizer.json of turned, cut or repeated bytes is a tokenizer that encodes, or a FormatError", async () => {
  const whole = read("llama.tokenizer.json");
  const change = fc.tuple(fc.nat(whole.length - 1), fc.nat(255));
  await fc.assert(
    fc.asyncProperty(
      fc.array(change, { minLength: 1, maxLength: 4 }),
      fc.option(fc.nat(whole.length), { freq: 3 }),
      async (changes, cut) => {
        const bytes = whole.slice(0, cut ?? whole.length);
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
        try {
          const tokenizer = await loadTokenizer([bytesSource(bytes, { name: "tokenizer.json" })]);
          const ids = tokenizer.encode("Once upon a time");
          for (const id of ids) expect(id).toSatisfy((one: number) => Number.isInteger(one) && one >= 0);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      },
    ),
    { numRuns: 300 },
  );
});
