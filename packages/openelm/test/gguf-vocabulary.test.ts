// A tokenizer.json in a GGUF file gives the ids in llama.cpp that it gives here.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Rng } from "@corenet/core";
import { loadTokenizer } from "@corenet/formats";
import { createOpenElm, exportGguf, openElmConfig, tokenizerVocabulary } from "@corenet/openelm";
import { getLlama, LlamaLogLevel } from "node-llama-cpp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { onBackend } from "../../../tools/testing/index.ts";

const goldens = fileURLToPath(new URL("../../../golden/tokenizers/", import.meta.url));
const texts: string[] = Object.values(
  JSON.parse(await readFile(join(goldens, "encodings.json"), "utf8")) as Record<
    string,
    { text: string }[] | object
  >,
)
  .flatMap((rows) => (Array.isArray(rows) ? rows.map(({ text }) => text) : []))
  .filter((text) => text !== "" && !/[<|]/.test(text)); // words of control are read as such there

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "openelm-vocabulary-"));
});
afterAll(() => rm(folder, { recursive: true }));

onBackend("wasm", () => {
  test.each(["llama", "byte-level"])(
    "%s.tokenizer.json",
    async (name) => {
      const file = join(goldens, `${name}.tokenizer.json`);
      const tokenizer = await loadTokenizer(file);
      const { bosId, eosId } = tokenizer;
      const vocabulary = tokenizerVocabulary(JSON.parse(await readFile(file, "utf8")), {
        ...(bosId === undefined ? {} : { bosId }),
        ...(eosId === undefined ? {} : { eosId }),
      });
      using model = await createOpenElm(
        openElmConfig({
          ...{
            vocabSize: tokenizer.vocabSize,
            numLayers: 2,
            modelDim: 64,
            headDim: 32,
            groupSize: 2,
            ffnDivisor: 32,
          },
          ...{ qkvMultipliers: 1, ffnMultipliers: 1 },
        }),
        { rng: new Rng(1) },
      );
      const path = join(folder, `${name}.gguf`);
      await exportGguf(model, path, { dtype: "f16", vocabulary });
      const llama = await getLlama({ gpu: false, build: "never", logLevel: LlamaLogLevel.error });
      try {
        await using native = await llama.loadModel({ modelPath: path, vocabOnly: true });
        expect(texts.length).toBeGreaterThan(8);
        for (const text of texts)
          expect(native.tokenize(text), JSON.stringify(text)).toEqual([...tokenizer.encode(text)]);
        expect(native.tokens.eos).toBe(eosId);
      } finally {
        await llama.dispose();
      }
    },
    60_000,
  );
});

test("a tokenizer of another kind is refused with what it is", () => {
  const json = {
    model: { type: "WordPiece", vocab: { a: 0 }, merges: [] },
    pre_tokenizer: { type: "BertPreTokenizer" },
  };
  expect(() => tokenizerVocabulary(json)).toThrow(
    "tokenizer.json is WordPiece with BertPreTokenizer pre-tokenizer, expected BPE with byte_fallback, or GPT-2's",
  );
});
