import { cpu } from "@corenet/backend-cpu";
import { type CausalLm, KvCache } from "@corenet/nn";
import { type Tensor2D, type Tensor3D, tensor, useBackend } from "@corenet/tensor";
import { beforeAll, expect, test } from "vitest";
import { generateText } from "./generate-text.ts";

beforeAll(async () => {
  await useBackend(cpu());
});

/** Says the bytes one after another, whatever it was asked. */
function parrot(bytes: readonly number[], contextLength = 64): CausalLm {
  let at = 0;
  return {
    ...{ vocabSize: 256, contextLength, kvShapes: [], params: [], dispose: () => {} },
    withParams: () => parrot(bytes),
    createCache: (options) => new KvCache({ shapes: [], ...options }),
    forward: (_tokens: Tensor2D): Tensor3D => {
      const logits = new Float32Array(256);
      logits[bytes[at++ % bytes.length] as number] = 50;
      return tensor(logits, [1, 1, 256]);
    },
  };
}

async function said(pieces: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = [];
  for await (const piece of pieces) all.push(piece);
  return all;
}

test("gives whole characters as they come", async () => {
  const model = parrot([...new TextEncoder().encode("aé€😀b")]);
  const pieces = await said(generateText(model, { prompt: "x", maxNewTokens: 11 }));
  expect(pieces).toEqual(["a", "é", "€", "😀", "b"]);
});

test("makes bytes that are no character visible, and a cut character at the end", async () => {
  const model = parrot([0x61, 0xff, 0x62, 0xe2, 0x82]);
  const text = (await said(generateText(model, { prompt: "x", maxNewTokens: 5 }))).join("");
  expect(text).toBe("a\uFFFDb\uFFFD");
  expect(text.isWellFormed()).toBe(true);
});

test("fills the context where no length is asked for", async () => {
  expect((await said(generateText(parrot([0x61], 10), { prompt: "1234" }))).join("")).toBe("aaaaaa");
});

test("refuses other tokens than bytes, and an empty prompt", async () => {
  await expect(said(generateText({ ...parrot([1]), vocabSize: 300 }, { prompt: "a" }))).rejects.toThrow(
    "the model has 300 tokens, expected 256",
  );
  await expect(said(generateText(parrot([1]), { prompt: "" }))).rejects.toThrow("the prompt is empty");
});
