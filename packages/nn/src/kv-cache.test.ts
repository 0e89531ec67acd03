import { readData, slice, type Tensor4D, tensor, tidy } from "@corenet/tensor";
import fc from "fast-check";
import { expect, test } from "vitest";
import { expectNoLeak, onEveryBackend } from "../../../tools/testing/index.ts";
import type { KvPair } from "./causal-lm.ts";
import { KvCache } from "./kv-cache.ts";

const shapes = [
  { numKvHeads: 1, headDim: 4 },
  { numKvHeads: 3, headDim: 2 },
];
const create = (capacity = 6, batch = 2) => new KvCache({ shapes, batch, capacity });

/** Entries whose every number says where it belongs: keys 1000·b + 100·h + 10·position + j, values their negative. */
function entries(layer: number, from: number, count: number, batch = 2): KvPair {
  const { numKvHeads: H, headDim: d } = shapes[layer] as (typeof shapes)[number];
  const at = (b: number, h: number, t: number, j: number) => 1000 * b + 100 * h + 10 * (from + t) + j;
  const list: number[] = [];
  for (let b = 0; b < batch; b++)
    for (let h = 0; h < H; h++)
      for (let t = 0; t < count; t++) for (let j = 0; j < d; j++) list.push(at(b, h, t, j));
  const shape = [batch, H, count, d] as const;
  return {
    keys: tensor(list, shape),
    values: tensor(
      list.map((x) => -x),
      shape,
    ),
  };
}

const held = (cache: KvCache, layer: number): KvPair => {
  const { keys, values } = cache.layer(layer);
  const [B, H, , d] = keys.shape;
  const used = (t: Tensor4D) => slice(t, [0, 0, 0, 0], [B, H, cache.layerLength(layer), d]);
  return { keys: used(keys), values: used(values) };
};

async function expectEntries(cache: KvCache, layer: number, expected: KvPair): Promise<void> {
  const { keys, values } = held(cache, layer);
  await expect(keys).toBeAllClose(expected.keys, { atol: 0, rtol: 0 });
  await expect(values).toBeAllClose(expected.values, { atol: 0, rtol: 0 });
}

onEveryBackend(() => {
  test("starts empty, with its memory taken", () => {
    using cache = create();
    expect(cache.length).toBe(0);
    expect(cache.rotated).toBe(true);
    expect(cache.validFrom).toBeUndefined();
    expect(cache.layer(1).keys.shape).toEqual([2, 3, 6, 2]);
    expect(new KvCache({ shapes, batch: 1, capacity: 1, rotated: false }).rotated).toBe(false);
  });

  test("keeps what is appended, in any pieces", async () => {
    const pieces = fc.array(fc.nat(4), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(pieces, async (counts) => {
        const total = counts.reduce((sum, n) => sum + n, 0);
        using cache = create(Math.max(total, 1));
        let from = 0;
        for (const count of counts) {
          for (const layer of [0, 1]) cache.append(layer, entries(layer, from, count));
          from += count;
        }
        expect(cache.length).toBe(total);
        for (const layer of [0, 1]) await expectEntries(cache, layer, entries(layer, 0, total));
      }),
      { numRuns: 15 },
    );
  });

  test("borrows what is appended", async () => {
    using cache = create();
    const kv = entries(0, 0, 2);
    cache.append(0, kv);
    expect(kv.keys.isDisposed).toBe(false);
    kv.keys.dispose();
    kv.values.dispose();
    await expectEntries(cache, 0, entries(0, 0, 2));
  });

  test("layers differ while a prefill is under way; the length is the shortest", () => {
    using cache = create();
    cache.append(0, entries(0, 0, 3));
    expect([cache.length, cache.layerLength(0), cache.layerLength(1)]).toEqual([0, 3, 0]);
    cache.append(1, entries(1, 0, 2));
    expect(cache.length).toBe(2);
  });

  test("forgets the end, and writes over it", async () => {
    using cache = create();
    for (const layer of [0, 1]) cache.append(layer, entries(layer, 0, 5));
    cache.truncate(2);
    expect(cache.length).toBe(2);
    for (const layer of [0, 1]) await expectEntries(cache, layer, entries(layer, 0, 2));
    cache.append(0, entries(0, 2, 4));
    await expectEntries(cache, 0, entries(0, 0, 6));
    cache.truncate(100);
    expect(cache.layerLength(0)).toBe(6);
    expect(() => cache.truncate(-1)).toThrow(
      "KvCache: cannot keep -1 positions, expected a non-negative integer.",
    );
    expect(() => cache.truncate(1.5)).toThrow("cannot keep 1.5");
  });

  test("a clone goes its own way", async () => {
    using cache = create();
    cache.append(0, entries(0, 0, 2));
    using copy = cache.clone();
    cache.append(0, entries(0, 7, 1)); // on wasm this writes into the same memory
    copy.append(0, entries(0, 2, 3));
    await expectEntries(copy, 0, entries(0, 0, 5));
    expect((await readData(held(cache, 0).keys)).slice(8, 12)).toEqual(Float32Array.of(70, 71, 72, 73));
    expect([copy.layerLength(0), copy.layerLength(1), cache.layerLength(0)]).toEqual([5, 0, 3]);
    expect(copy.capacity).toBe(cache.capacity);
    cache.dispose();
    await expectEntries(copy, 0, entries(0, 0, 5));
  });

  test("rows may be padded on the left, once, before the first position", () => {
    using cache = create();
    cache.padRows([0, 2]);
    expect(cache.validFrom).toEqual([0, 2]);
    using copy = cache.clone();
    expect(copy.validFrom).toEqual([0, 2]);
    for (const layer of [0, 1]) cache.append(layer, entries(layer, 0, 3));
    expect(() => cache.padRows([1, 1])).toThrow("KvCache: holds 3 positions, expected none.");
    cache.truncate(0);
    expect(cache.validFrom).toBeUndefined();
    cache.padRows([0, 0]);
    expect(cache.validFrom).toBeUndefined(); // nothing is hidden
    expect(() => cache.padRows([1])).toThrow("got 1 row starts, expected one for each of 2 rows");
  });

  test("padding cannot change once any layer holds something", () => {
    using cache = create();
    cache.append(0, entries(0, 0, 1));
    expect(() => cache.padRows([0, 1])).toThrow("KvCache: holds 1 positions, expected none.");
  });

  test("says when it is full", () => {
    using cache = create(4);
    cache.append(0, entries(0, 0, 3));
    expect(() => cache.append(0, entries(0, 3, 2))).toThrow(
      "KvCache: 3 positions are held and 2 come, expected at most 4 in all. Create it with a larger capacity, or truncate it.",
    );
    expect(() => cache.checkRoom(5)).toThrow("0 positions are held and 5 come");
    expect(() => cache.checkRoom(4)).not.toThrow();
    expect(cache.layerLength(0)).toBe(3);
  });

  test("says what does not fit, and stays as it was", async () => {
    using cache = create();
    cache.append(1, entries(1, 0, 1));
    expect(() => cache.append(0, entries(1, 0, 1))).toThrow(
      "KvCache: keys of layer 0 has shape [2, 3, 1, 2], expected [2, 1, 1, 4]. Make the cache with createCache of the model",
    );
    expect(() => cache.append(0, entries(0, 0, 1, 1))).toThrow("[1, 1, 1, 4], expected [2, 1, 1, 4]");
    const mixed = { keys: entries(0, 0, 1).keys, values: entries(0, 0, 2).values };
    expect(() => cache.append(0, mixed)).toThrow("values of layer 0 has shape [2, 1, 2, 4]");
    expect(() => cache.append(2, entries(0, 0, 1))).toThrow("KvCache: there is no layer 2, expected 0 to 1.");
    expect(() => cache.layer(-1)).toThrow("no layer -1");
    expect(cache.layerLength(0)).toBe(0);
    await expectEntries(cache, 1, entries(1, 0, 1));
  });

  test("refuses to be made of nothing", () => {
    expect(() => create(0)).toThrow("KvCache: batch is 2 and capacity 0, expected positive integers.");
    expect(() => create(4, 1.5)).toThrow("batch is 1.5");
  });

  test("owns its memory, and frees all of it", () => {
    const kv = entries(0, 0, 2);
    expectNoLeak(() => {
      using cache = create();
      cache.append(0, kv);
      cache.append(0, kv);
      using copy = cache.clone();
      copy.append(0, kv);
      cache.truncate(1);
    });
  });

  test("survives the tidy it is made and filled in", async () => {
    using cache = tidy(() => {
      const made = create();
      made.append(0, entries(0, 0, 2));
      return [made];
    })[0] as KvCache;
    await expectEntries(cache, 0, entries(0, 0, 2));
  });

  test("cannot be used after it was disposed", () => {
    const cache = create();
    cache.dispose();
    cache.dispose(); // twice does no harm
    expect(() => cache.append(0, entries(0, 0, 1))).toThrow("disposed");
  });
});

test("a rotated cache cannot drop positions, and no cache those that it lacks", () => {
  using rotated = new KvCache({ shapes: [{ numKvHeads: 1, headDim: 2 }], batch: 1, capacity: 4 });
  expect(() => rotated.drop(0, 0)).toThrow("its keys are rotated to their positions and cannot move");
  using free = new KvCache({
    shapes: [{ numKvHeads: 1, headDim: 2 }],
    batch: 1,
    capacity: 4,
    rotated: false,
  });
  expect(() => free.drop(0, 1)).toThrow("cannot drop 1 positions from 0 on, it holds 0");
});
