// Decoding through a cache gives what one pass over all tokens gives, in both layouts of the cache.
import type { KvCache } from "@corenet/nn";
import type { OpenElm } from "@corenet/openelm";
import { slice, type Tensor2D, type Tensor3D, type Tensor4D, tensor } from "@corenet/tensor";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { loadGolden, onEveryBackend } from "../../../tools/testing/index.ts";
import { createEdge, loadTiny } from "./models.ts";

const golden = await loadGolden("openelm/tiny-cache");
const near = { atol: 2e-5, rtol: 1e-4 };
const [B, T, V] = [2, 12, 97];

const tokensOf = (from: number, count: number): Tensor2D =>
  slice(golden.tensor("input.tokens") as Tensor2D, [0, from], [B, count]);
const logitsOf = (name: string, from: number, count: number): Tensor3D =>
  slice(golden.tensor(name) as Tensor3D, [0, from, 0], [B, count, V]);
const held = (cache: KvCache, layer: number) => {
  const { keys, values } = cache.layer(layer);
  const [, H, , d] = keys.shape;
  const used = (x: Tensor4D) => slice(x, [0, 0, 0, 0], [B, H, cache.layerLength(layer), d]);
  return { keys: used(keys), values: used(values) };
};

/** Feeds pieces that end at the given positions; checks each one's logits. */
async function feed(model: OpenElm, cache: KvCache, ends: readonly number[]): Promise<void> {
  let from = 0;
  for (const end of ends) {
    const logits = model.forward(tokensOf(from, end - from), { cache });
    await expect(logits).toBeAllClose(logitsOf("output.logits", from, end - from), near);
    from = end;
  }
}

onEveryBackend(() => {
  describe.each([true, false])("keys stored rotated: %s", (rotated) => {
    test("a prefill of 7 and five steps give the reference's cached logits", async () => {
      using model = await loadTiny();
      using cache = model.createCache({ batch: B, capacity: T, rotated });
      await feed(model, cache, [7, 8, 9, 10, 11, 12]);
      const last = model.forward(tokensOf(0, T), { logits: "last" });
      await expect(last).toBeAllClose(logitsOf("output.logits_cached", T - 1, 1), near);
    });

    test("any pieces give one pass", async () => {
      using model = await loadTiny();
      const cuts = fc.uniqueArray(fc.integer({ min: 1, max: T - 1 }), { maxLength: T - 1 });
      await fc.assert(
        fc.asyncProperty(cuts, async (list) => {
          using cache = model.createCache({ batch: B, capacity: T + 2, rotated });
          await feed(model, cache, [...list.sort((a, b) => a - b), T]);
          expect(cache.length).toBe(T);
        }),
        { numRuns: 12 },
      );
    });

    test("a chunk on top of a cache is not masked as the reference masks it", async () => {
      using model = await loadTiny();
      using cache = model.createCache({ batch: B, capacity: T, rotated });
      model.forward(tokensOf(0, 7), { cache });
      const chunk = model.forward(tokensOf(7, 5), { cache });
      await expect(chunk).toBeAllClose(logitsOf("output.logits", 7, 5), near);
      await expect(chunk).not.toBeAllClose(golden.tensor("output.logits_chunk_reference"), { atol: 1e-2 });
    });

    test("values are the reference's", async () => {
      using model = await loadTiny();
      using cache = model.createCache({ batch: B, capacity: T + 3, rotated });
      await feed(model, cache, [5, 12]);
      for (const layer of model.kvShapes.keys()) {
        await expect(held(cache, layer).values).toBeAllClose(golden.tensor(`output.values.${layer}`), near);
      }
    });

    test("rows padded on the left give what each gives alone", async () => {
      using model = await createEdge("query width below and above D");
      using cache = model.createCache({ batch: 2, capacity: 6, rotated });
      using alone = model.createCache({ batch: 1, capacity: 6, rotated });
      const ids = (list: number[], rows = 1): Tensor2D => toTokens(list, rows);
      const together = model.forward(ids([0, 0, 3, 4, 9, 8, 7, 6], 2), { cache, lengths: [2, 4] });
      await expect(slice(together, [0, 2, 0], [1, 2, 13])).toBeAllClose(
        model.forward(ids([3, 4]), { cache: alone }),
        near,
      );
      const next = model.forward(ids([11, 12], 2), { cache });
      await expect(slice(next, [0, 0, 0], [1, 1, 13])).toBeAllClose(
        model.forward(ids([11]), { cache: alone }),
        near,
      );
      await expect(slice(next, [1, 0, 0], [1, 1, 13])).toBeAllClose(
        slice(model.forward(ids([9, 8, 7, 6, 12])), [0, 4, 0], [1, 1, 13]),
        near,
      );
    });
  });

  test("keys stored unrotated are the reference's: normed, not turned", async () => {
    using model = await loadTiny();
    using cache = model.createCache({ batch: B, capacity: T, rotated: false });
    await feed(model, cache, [3, 4, 12]);
    for (const layer of model.kvShapes.keys()) {
      await expect(held(cache, layer).keys).toBeAllClose(golden.tensor(`output.keys.${layer}`), near);
    }
  });

  test("keys stored rotated are not, but for the first position", async () => {
    using model = await loadTiny();
    using cache = model.createCache({ batch: B, capacity: T });
    await feed(model, cache, [T]);
    const expected = golden.tensor("output.keys.1") as Tensor4D;
    const first = (x: Tensor4D) => slice(x, [0, 0, 0, 0], [B, 2, 1, 16]);
    await expect(first(held(cache, 1).keys)).toBeAllClose(first(expected), near);
    await expect(held(cache, 1).keys).not.toBeAllClose(expected, { atol: 1e-2 });
  });

  test("raw keys, normed, are what an unrotated cache holds", async () => {
    using model = await loadTiny();
    const tokens = tokensOf(0, T);
    const raw: Tensor4D[] = [];
    model.readRawKv(tokens, { last: 3, onLayer: (_layer, { keys }) => raw.push(keys) });
    for (const [layer, keys] of raw.entries()) {
      await expect(model.normKeys(layer, keys)).toBeAllClose(golden.tensor(`output.keys.${layer}`), near);
    }
  });

  test("positions go on beyond the context the model was made for", async () => {
    using model = await loadTiny(); // a context of 32
    const ids = Array.from({ length: 80 }, (_, i) => (7 * i + 3) % V);
    const whole = model.forward(toTokens(ids));
    using cache = model.createCache({ batch: 1, capacity: 80 });
    model.forward(toTokens(ids.slice(0, 70)), { cache });
    const rest = model.forward(toTokens(ids.slice(70)), { cache });
    await expect(rest).toBeAllClose(slice(whole, [0, 70, 0], [1, 10, V]), near);
  });

  test("a cache of another model or batch is refused by what it is", async () => {
    using model = await loadTiny();
    using other = await createEdge("one layer");
    using foreign = other.createCache({ batch: B, capacity: T });
    expect(() => model.forward(tokensOf(0, T), { cache: foreign })).toThrow(
      "OpenElm: the cache is for 2 rows and key-value heads [1] of width 4, expected 2 rows and [1,2,2,3] of width 16. " +
        "Make it with createCache of this model.",
    );
    using wide = model.createCache({ batch: 3, capacity: T });
    expect(() => model.forward(tokensOf(0, T), { cache: wide })).toThrow("is for 3 rows");
    using short = model.createCache({ batch: B, capacity: 10 });
    model.forward(tokensOf(0, 7), { cache: short });
    expect(() => model.forward(tokensOf(7, 5), { cache: short })).toThrow(
      "KvCache: 7 positions are held and 5 come, expected at most 10 in all.",
    );
  });

  test("says what is wrong with tokens", async () => {
    using model = await loadTiny();
    expect(() => model.forward(toTokens([]))).toThrow(
      "OpenElm: tokens has shape [1, 0], expected at least one row and one token.",
    );
    expect(() => model.forward(toTokens([1, 97]))).toThrow(
      "embedding: tokens[0, 1] is 97, expected an integer in [0, 97).",
    );
    expect(() => model.forward(toTokens([1, 2]), { lengths: [3] })).toThrow(
      "OpenElm: lengths is [3], expected one integer from 1 to 2 for each of 1 rows.",
    );
  });
});

function toTokens(ids: number[], rows = 1): Tensor2D {
  return tensor(Int32Array.from(ids), [rows, ids.length / rows]);
}
