import { bytesSink, bytesSource, writeSafetensors } from "@corenet/formats";
import { expect, test } from "vitest";
import { expectNoLeak, onBackend } from "../../../tools/testing/index.ts";
import { BagOfWordsLm } from "../test/bag-of-words-lm.ts";
import { generate } from "./generate.ts";
import { PromptCache } from "./prompt-cache.ts";
import { loadPromptCache, savePromptCache } from "./prompt-cache-file.ts";

const table = Array.from({ length: 5 }, (_, i) =>
  Array.from({ length: 5 }, (_, j) => Math.sin(i * 7 + j * j)),
);

async function savedBytes(model: BagOfWordsLm): Promise<{ bytes: Uint8Array; ids: number[] }> {
  using promptCache = new PromptCache(model);
  const ids: number[] = [1, 4, 2];
  for await (const id of generate(model, ids.slice(), { promptCache, maxNewTokens: 3 })) ids.push(id);
  const sink = bytesSink();
  await savePromptCache(promptCache, sink);
  return { bytes: sink.bytes(), ids };
}

onBackend("wasm", () => {
  test("a warm prompt goes on in another process as in this one", async () => {
    const model = new BagOfWordsLm(table);
    const { bytes, ids } = await savedBytes(model);
    const expected: number[] = [];
    for await (const id of generate(new BagOfWordsLm(table), ids, { maxNewTokens: 4 })) expected.push(id);

    await expectNoLeak(async () => {
      using promptCache = await loadPromptCache(model, bytesSource(bytes));
      expect(promptCache.ids).toEqual(ids.slice(0, -1));
      model.calls.length = 0;
      const more: number[] = [];
      for await (const id of generate(model, ids, { promptCache, maxNewTokens: 4 })) more.push(id);
      expect(more).toEqual(expected);
      expect(model.calls[0]).toBe(1); // the one id that was not read yet
    });
  });

  test("refuses files of other models, or of nothing", async () => {
    const model = new BagOfWordsLm(table);
    const { bytes } = await savedBytes(model);
    const other = new BagOfWordsLm([
      [1, 2],
      [3, 4],
    ]);
    await expect(loadPromptCache(other, bytesSource(bytes))).rejects.toThrow(
      "layers.0.keys is F32 [1,1,5,5], expected F32 [1,1,5,2]",
    );
    const sink = bytesSink();
    await writeSafetensors(sink, []);
    await expect(loadPromptCache(model, bytesSource(sink.bytes()))).rejects.toThrow(
      "the file says it is undefined",
    );
    await expectNoLeak(async () => {
      await expect(loadPromptCache(model, bytesSource(bytes), { capacity: 4 })).rejects.toThrow(
        "5 come, expected at most 4",
      );
    });
  });
});
