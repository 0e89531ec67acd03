// What every CausalLm keeps to. A model's own tests call `causalLmSuite` once for each way to make one.
import type { CausalLm, KvCache, KvPair } from "@corenet/nn";
import {
  clone,
  disposeTree,
  mapTree,
  memory,
  mul,
  readData,
  slice,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
  tensor,
  treeLeaves,
  zeros,
} from "@corenet/tensor";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { expectNoLeak } from "./expect-no-leak.ts";
import { onEveryBackend } from "./on-every-backend.ts";

/** The four taps of raw keys and values, which a model offers together or not at all. */
type TappedLm = CausalLm &
  Required<Pick<CausalLm, "readRawKv" | "writeRawKv" | "forwardGivenKv" | "normKeys">>;

export interface CausalLmSuiteOptions {
  /** Makes a small model on the active backend; the suite disposes it. Two calls give equal models. */
  create(): Promise<CausalLm>;
  /** How far two ways to the same logits may differ. @default 2e-5 */
  atol?: number;
}

/** Declares the suite on every backend. */
export function causalLmSuite(name: string, { create, atol = 2e-5 }: CausalLmSuiteOptions): void {
  const near = { atol, rtol: 1e-4 };
  const exactly = { atol: 0, rtol: 0 };
  const B = 2;
  const T = 7;

  /** A test with a model of its own. */
  function withModel(title: string, body: (model: CausalLm) => Promise<void> | void): void {
    test(title, async () => {
      const model = await create();
      try {
        await body(model);
      } finally {
        model.dispose();
      }
    });
  }

  describe(`${name} is a CausalLm`, () => {
    onEveryBackend(() => {
      describe("shapes", () => {
        withModel("says its sizes", (model) => {
          const counts = [
            model.vocabSize,
            model.contextLength,
            ...model.kvShapes.flatMap((s) => Object.values(s)),
          ];
          expect(counts.every((n) => Number.isInteger(n) && n > 0)).toBe(true);
          expect(model.kvShapes.length).toBeGreaterThan(0);
          expect(treeLeaves(model.params).length).toBeGreaterThan(0);
        });

        withModel("a new cache is empty and fits the model", (model) => {
          using cache = model.createCache({ batch: B, capacity: T });
          expect([cache.length, cache.batch, cache.capacity]).toEqual([0, B, T]);
          expect(cache.shapes).toEqual(model.kvShapes);
        });

        withModel("gives logits for every position, or for the last alone", async (model) => {
          const tokens = someTokens(model, B, T);
          const all = model.forward(tokens);
          expect([all.shape, all.dtype]).toEqual([[B, T, model.vocabSize], "float32"]);
          const last = model.forward(tokens, { logits: "last" });
          expect(last.shape).toEqual([B, 1, model.vocabSize]);
          await expect(last).toBeAllClose(positions(all, T - 1, 1), near);
          expect((await readData(all)).every(Number.isFinite)).toBe(true);
          expect(model.forward(someTokens(model, 1, 1)).shape).toEqual([1, 1, model.vocabSize]);
        });

        withModel("two calls give the same bits", async (model) => {
          const tokens = someTokens(model, B, T);
          await expect(model.forward(tokens)).toBeAllClose(model.forward(tokens), exactly);
        });
      });

      describe("what a position sees", () => {
        withModel("a later token changes no bit of an earlier logit", async (model) => {
          const ids = someIds(model, 1, T);
          const before = model.forward(batchOf([ids]));
          for (const t of [1, 3, T - 1]) {
            const changed = ids.map((id, i) => (i < t ? id : (id + 1) % model.vocabSize));
            const after = model.forward(batchOf([changed]));
            await expect(positions(after, 0, t)).toBeAllClose(positions(before, 0, t), exactly);
            await expect(positions(after, t, 1)).not.toBeAllClose(positions(before, t, 1), near);
          }
        });

        withModel("an earlier token does change later logits", async (model) => {
          const ids = someIds(model, 1, T);
          const before = model.forward(batchOf([ids]));
          const after = model.forward(
            batchOf([[((ids[0] as number) + 1) % model.vocabSize, ...ids.slice(1)]]),
          );
          await expect(positions(after, T - 1, 1)).not.toBeAllClose(positions(before, T - 1, 1), near);
        });

        withModel("rows of a batch know nothing of each other", async (model) => {
          const rows = [someIds(model, 1, T), someIds(model, 2, T), someIds(model, 3, T)];
          const together = model.forward(batchOf(rows));
          for (const [b, row] of rows.entries()) {
            await expect(rowOf(together, b)).toBeAllClose(model.forward(batchOf([row])), near);
          }
        });

        withModel("documents that share a row know nothing of each other", async (model) => {
          const documents = [
            [0, 2, 3],
            [0, 5],
          ];
          const rows = documents.map((_, b) => someIds(model, b + 1, T));
          const together = model.forward(batchOf(rows), { documents });
          for (const [b, starts] of documents.entries()) {
            for (const [i, start] of starts.entries()) {
              const end = starts[i + 1] ?? T;
              const alone = model.forward(batchOf([(rows[b] as number[]).slice(start, end)]));
              await expect(positions(rowOf(together, b), start, end - start)).toBeAllClose(alone, near);
            }
          }
          for (const wrong of [[[0]], [[0], [1]], [[0], [0, T]], [[0], []]]) {
            expect(() => model.forward(batchOf(rows), { documents: wrong })).toThrow(RangeError);
          }
        });
      });

      describe("with a cache", () => {
        withModel("pieces of any sizes give what one pass gives", async (model) => {
          const tokens = someTokens(model, B, T);
          const whole = model.forward(tokens);
          const cuts = fc.uniqueArray(fc.integer({ min: 1, max: T - 1 }), { maxLength: T - 1 });
          await fc.assert(
            fc.asyncProperty(cuts, async (list) => {
              using cache = model.createCache({ batch: B, capacity: T });
              let from = 0;
              for (const to of [...list.sort((a, b) => a - b), T]) {
                const piece = slice(tokens, [0, from], [B, to - from]);
                const logits = model.forward(piece, { cache });
                await expect(logits).toBeAllClose(positions(whole, from, to - from), near);
                expect(cache.length).toBe(to);
                from = to;
              }
            }),
            { numRuns: 8 },
          );
        });

        withModel("the last logits alone are those of the last position", async (model) => {
          const tokens = someTokens(model, B, T);
          using cache = model.createCache({ batch: B, capacity: T + 3 });
          model.forward(slice(tokens, [0, 0], [B, 3]), { cache, logits: "last" });
          const last = model.forward(slice(tokens, [0, 3], [B, T - 3]), { cache, logits: "last" });
          await expect(last).toBeAllClose(positions(model.forward(tokens), T - 1, 1), near);
        });

        withModel("truncated, it goes on from there", async (model) => {
          const [first, second] = [someIds(model, 1, T), someIds(model, 5, T)];
          using cache = model.createCache({ batch: 1, capacity: T });
          model.forward(batchOf([first]), { cache });
          cache.truncate(3);
          const logits = model.forward(batchOf([second.slice(3)]), { cache });
          const alone = model.forward(batchOf([[...first.slice(0, 3), ...second.slice(3)]]));
          await expect(logits).toBeAllClose(positions(alone, 3, T - 3), near);
        });

        withModel("a clone branches", async (model) => {
          const [first, second] = [someIds(model, 1, T), someIds(model, 5, T)];
          using cache = model.createCache({ batch: 1, capacity: T });
          model.forward(batchOf([first.slice(0, 4)]), { cache });
          using branch = cache.clone();
          const there = model.forward(batchOf([second.slice(4)]), { cache: branch });
          const here = model.forward(batchOf([first.slice(4)]), { cache });
          const alone = (ids: number[]) => positions(model.forward(batchOf([ids])), 4, T - 4);
          await expect(here).toBeAllClose(alone(first), near);
          await expect(there).toBeAllClose(alone([...first.slice(0, 4), ...second.slice(4)]), near);
        });
      });

      describe("rows of different length, padded on the left", () => {
        const lengths = [3, T, 1];
        const padded = (model: CausalLm) => {
          const rows = lengths.map((n, b) => someIds(model, b + 1, n));
          const batch = rows.map((row) => [...Array<number>(T - row.length).fill(0), ...row]);
          return { rows, batch };
        };

        withModel("each gives what it gives alone", async (model) => {
          const { rows, batch } = padded(model);
          const logits = model.forward(batchOf(batch), { lengths });
          for (const [b, row] of rows.entries()) {
            const own = positions(rowOf(logits, b), T - row.length, row.length);
            await expect(own).toBeAllClose(model.forward(batchOf([row])), near);
          }
        });

        withModel("and still does when more tokens come through the cache", async (model) => {
          const { rows, batch } = padded(model);
          using cache = model.createCache({ batch: rows.length, capacity: T + 2 });
          model.forward(batchOf(batch), { lengths, cache });
          const more = rows.map((_, b) => someIds(model, b + 7, 2));
          const logits = model.forward(batchOf(more), { cache });
          for (const [b, row] of rows.entries()) {
            const alone = model.forward(batchOf([[...row, ...(more[b] as number[])]]));
            await expect(rowOf(logits, b)).toBeAllClose(positions(alone, row.length, 2), near);
          }
        });

        withModel("lengths are one for each row, and come first", (model) => {
          const tokens = someTokens(model, B, T);
          for (const wrong of [[T], [0, 1], [1, T + 1], [1.5, 2]]) {
            expect(() => model.forward(tokens, { lengths: wrong })).toThrow(RangeError);
          }
          using cache = model.createCache({ batch: B, capacity: 2 * T });
          model.forward(tokens, { cache });
          expect(() => model.forward(tokens, { cache, lengths: [1, 2] })).toThrow(RangeError);
        });
      });

      describe("parameters", () => {
        withModel("another model of equal parameters gives equal logits, and owns them", async (model) => {
          const tokens = someTokens(model, B, T);
          const expected = model.forward(tokens);
          const twin = model.withParams(mapTree(tensorsOf(model), (leaf) => clone(leaf)));
          await expect(twin.forward(tokens)).toBeAllClose(expected, exactly);
          twin.dispose();
          await expect(model.forward(tokens)).toBeAllClose(expected, exactly);
        });

        withModel("other parameters give other logits", async (model) => {
          const tokens = someTokens(model, B, T);
          const other = model.withParams(mapTree(tensorsOf(model), (leaf) => mul(leaf, 0.5)));
          await expect(other.forward(tokens)).not.toBeAllClose(model.forward(tokens), near);
          expect([other.vocabSize, other.kvShapes]).toEqual([model.vocabSize, model.kvShapes]);
          other.dispose();
        });
      });

      describe("refuses", () => {
        withModel("no tokens, fractional tokens, tokens outside the vocabulary", (model) => {
          const V = model.vocabSize;
          expect(() => model.forward(zeros<Tensor2D>([1, 0], "int32"))).toThrow(RangeError);
          expect(() => model.forward(tensor([[1, 2]]))).toThrow(/float32, expected int32/);
          expect(() => model.forward(batchOf([[0, V]]))).toThrow(
            `[0, 1] is ${V}, expected an integer in [0, ${V})`,
          );
          expect(() => model.forward(batchOf([[-1, 0]]))).toThrow("[0, 0] is -1");
        });

        withModel("a cache of another batch or another model, and one that is full", (model) => {
          const tokens = someTokens(model, B, T);
          using other = model.createCache({ batch: B + 1, capacity: T });
          expect(() => model.forward(tokens, { cache: other })).toThrow(/for 3 rows.*expected 2 rows/);
          using small = model.createCache({ batch: B, capacity: T - 1 });
          expect(() => model.forward(tokens, { cache: small })).toThrow(
            `${T} come, expected at most ${T - 1}`,
          );
          expect(small.length).toBe(0);
        });

        withModel("a cache whose layers hold different positions", (model) => {
          if (model.kvShapes.length === 1) return;
          const tokens = someTokens(model, 1, 2);
          using cache = model.createCache({ batch: 1, capacity: T });
          const { numKvHeads, headDim } = model.kvShapes[0] as CausalLm["kvShapes"][number];
          const keys = zeros<Tensor4D>([1, numKvHeads, 2, headDim]);
          cache.append(0, { keys, values: keys });
          expect(() => model.forward(tokens, { cache })).toThrow(/positions, expected the same in each/);
          cache.truncate(0);
          expect(() => model.forward(tokens, { cache })).not.toThrow();
        });

        withModel("and what was refused leaves no trace in the cache", async (model) => {
          using cache = model.createCache({ batch: 1, capacity: T });
          const wrong = batchOf([[0, 0, model.vocabSize]]);
          expect(() => model.forward(wrong, { cache, lengths: [1] })).toThrow(RangeError);
          expect(model.kvShapes.map((_, layer) => cache.layerLength(layer))).toEqual(
            model.kvShapes.map(() => 0),
          );
          const ids = someIds(model, 1, T);
          const logits = model.forward(batchOf([ids]), { cache });
          await expect(logits).toBeAllClose(model.forward(batchOf([ids])), near); // no padding stayed behind
        });
      });

      describe("memory", () => {
        withModel("a pass leaves its logits alone, and its arguments alive", (model) => {
          const tokens = someTokens(model, B, T);
          expectNoLeak(() => model.forward(tokens));
          expectNoLeak(() => model.forward(tokens, { lengths: [2, T], logits: "last" }));
          expectNoLeak(() => {
            using cache = model.createCache({ batch: B, capacity: 2 * T });
            model.forward(tokens, { cache }).dispose();
            return model.forward(tokens, { cache });
          });
          expect(tokens.isDisposed).toBe(false);
        });

        withModel("a refusal leaves nothing", (model) => {
          const wrong = batchOf([[0, model.vocabSize]]);
          using cache = model.createCache({ batch: 1, capacity: T });
          expectNoLeak(() => {
            expect(() => model.forward(wrong)).toThrow();
            expect(() => model.forward(wrong, { cache })).toThrow();
          });
        });

        test("disposing the model frees everything", async () => {
          const before = memory();
          (await create()).dispose();
          expect(memory()).toEqual(before);
        });
      });

      describe("raw keys and values, where the model offers them", () => {
        function withTaps(title: string, body: (model: TappedLm) => Promise<void> | void): void {
          withModel(title, (model) => (isTapped(model) ? body(model) : undefined));
        }

        withModel("all four taps or none", (model) => {
          const taps = [model.readRawKv, model.writeRawKv, model.forwardGivenKv, model.normKeys];
          expect([0, 4]).toContain(taps.filter(Boolean).length);
        });

        withTaps("are read from the first layer to the last that is asked for", (model) => {
          const tokens = someTokens(model, B, T);
          for (const last of model.kvShapes.keys()) {
            const seen: number[] = [];
            model.readRawKv(tokens, {
              last,
              onLayer(layer, { keys, values }) {
                const { numKvHeads, headDim } = model.kvShapes[layer] as CausalLm["kvShapes"][number];
                expect([keys.shape, values.shape]).toEqual(Array(2).fill([B, numKvHeads, T, headDim]));
                seen.push(layer);
                disposeTree([keys, values]);
              },
            });
            expect(seen).toEqual(Array.from({ length: last + 1 }, (_, i) => i));
          }
        });

        withTaps("written into a fresh cache they make the cache of a forward pass", async (model) => {
          const tokens = someTokens(model, B, T);
          using expected = model.createCache({ batch: B, capacity: T + 1 });
          model.forward(tokens, { cache: expected });
          using cache = model.createCache({ batch: B, capacity: T + 1 });
          const raw = readAll(model, tokens);
          for (const [layer, kv] of raw.entries()) model.writeRawKv(cache, layer, kv);
          await expectSameCache(cache, expected, near);
          const next = someTokens(model, B, 1);
          await expect(model.forward(next, { cache })).toBeAllClose(
            model.forward(next, { cache: expected }),
            near,
          );
        });

        withTaps("written in pieces they make the same cache", async (model) => {
          const tokens = someTokens(model, B, T);
          using expected = model.createCache({ batch: B, capacity: T });
          model.forward(tokens, { cache: expected });
          using cache = model.createCache({ batch: B, capacity: T });
          for (const [layer, { keys, values }] of readAll(model, tokens).entries()) {
            for (const [from, count] of [
              [0, 2],
              [2, 4],
              [6, 1],
            ] as const) {
              const piece = { keys: between(keys, from, count), values: between(values, from, count) };
              model.writeRawKv(cache, layer, piece);
            }
          }
          await expectSameCache(cache, expected, near);
        });

        withTaps("reading fills a cache, if given, as a forward pass does", async (model) => {
          const tokens = someTokens(model, B, T);
          const last = model.kvShapes.length - 1;
          using expected = model.createCache({ batch: B, capacity: T });
          model.forward(tokens, { cache: expected });
          using cache = model.createCache({ batch: B, capacity: T });
          readAll(model, tokens, { cache, last });
          await expectSameCache(cache, expected, near);
        });

        withTaps(
          "reading in pieces through a cache gives what one pass gives, for any last layer",
          async (model) => {
            const tokens = someTokens(model, B, T);
            for (const last of model.kvShapes.keys()) {
              const whole = readAll(model, tokens, { last });
              using cache = model.createCache({ batch: B, capacity: T });
              const first = readAll(model, slice(tokens, [0, 0], [B, 4]), { last, cache });
              const second = readAll(model, slice(tokens, [0, 4], [B, T - 4]), { last, cache });
              for (const [layer, { keys, values }] of whole.entries()) {
                await expect(first[layer]?.keys).toBeAllClose(between(keys, 0, 4), near);
                await expect(second[layer]?.keys).toBeAllClose(between(keys, 4, T - 4), near);
                await expect(second[layer]?.values).toBeAllClose(between(values, 4, T - 4), near);
                expect(cache.layerLength(layer)).toBe(T);
              }
            }
          },
        );

        withTaps("given its own, the model says what it says by itself", async (model) => {
          const tokens = someTokens(model, B, T);
          const expected = model.forward(tokens);
          const own = readAll(model, tokens);
          await expect(model.forwardGivenKv(tokens, own)).toBeAllClose(expected, near);
          await expect(model.forwardGivenKv(tokens, own, { until: [2, T] })).toBeAllClose(expected, near);
        });

        withTaps("given others, it listens to them, up to `until`", async (model) => {
          const tokens = someTokens(model, B, T);
          const expected = model.forward(tokens);
          const strange = readAll(model, tokens).map(({ keys, values }) => ({
            keys: mul(keys, -1),
            values: mul(values, 2),
          }));
          const given = model.forwardGivenKv(tokens, strange);
          await expect(given).not.toBeAllClose(expected, { atol: 1e-2 });
          await expect(model.forwardGivenKv(tokens, strange, { until: [T, T] })).toBeAllClose(given, near);
          const none = model.forwardGivenKv(tokens, strange, { until: [0, 0] });
          await expect(none).toBeAllClose(expected, near);
          const mixed = model.forwardGivenKv(tokens, strange, { until: [0, T] });
          await expect(rowOf(mixed, 0)).toBeAllClose(rowOf(expected, 0), near);
          await expect(rowOf(mixed, 1)).toBeAllClose(rowOf(given, 1), near);
        });

        withTaps("keys are normed without being moved", async (model) => {
          for (const [layer, { keys }] of readAll(model, someTokens(model, B, T)).entries()) {
            const normed = model.normKeys(layer, keys);
            expect(normed.shape).toEqual(keys.shape);
            const alone = model.normKeys(layer, between(keys, 3, 1));
            await expect(alone).toBeAllClose(between(normed, 3, 1), near); // so no position takes part
          }
        });

        withTaps("refuse layers that are not there and entries that do not fit", (model) => {
          const tokens = someTokens(model, B, T);
          const count = model.kvShapes.length;
          const raw = readAll(model, tokens);
          using cache = model.createCache({ batch: B, capacity: T });
          const first = raw[0] as KvPair;
          for (const layer of [-1, count, 0.5]) {
            expect(() => model.readRawKv(tokens, { last: layer, onLayer() {} })).toThrow(RangeError);
            expect(() => model.writeRawKv(cache, layer, first)).toThrow(RangeError);
            expect(() => model.normKeys(layer, first.keys)).toThrow(RangeError);
          }
          expect(() => model.forwardGivenKv(tokens, raw.slice(1))).toThrow(RangeError);
          expect(() => model.forwardGivenKv(tokens, raw, { until: [1] })).toThrow(RangeError);
          expect(() => model.forwardGivenKv(someTokens(model, B, T - 1), raw)).toThrow(RangeError);
          const mixed = { keys: first.keys, values: between(first.values, 0, 1) };
          expect(() => model.writeRawKv(cache, 0, mixed)).toThrow("Keys and values come in pairs");
          expect(cache.layerLength(0)).toBe(0);
        });

        withTaps("leak nothing", (model) => {
          const tokens = someTokens(model, B, T);
          const raw = readAll(model, tokens);
          const first = raw[0] as KvPair;
          expectNoLeak(() => readAll(model, tokens));
          expectNoLeak(() => model.forwardGivenKv(tokens, raw, { until: [1, T] }));
          expectNoLeak(() => model.normKeys(0, first.keys));
          expectNoLeak(() => {
            using cache = model.createCache({ batch: B, capacity: 2 * T });
            model.writeRawKv(cache, 0, first);
            model.writeRawKv(cache, 0, first);
          });
        });
      });
    });
  });
}

function isTapped(model: CausalLm): model is TappedLm {
  return Boolean(model.readRawKv && model.writeRawKv && model.forwardGivenKv && model.normKeys);
}

/** Ids that differ from seed to seed and cover the vocabulary. */
function someIds({ vocabSize }: CausalLm, seed: number, count: number): number[] {
  return Array.from(
    { length: count },
    (_, i) => Math.abs(Math.trunc(1e4 * Math.sin(seed * 37.7 + i * 11.3))) % vocabSize,
  );
}

function batchOf(rows: readonly (readonly number[])[]): Tensor2D {
  const T = rows[0]?.length ?? 0;
  return tensor(Int32Array.from(rows.flat()), [rows.length, T]);
}

function someTokens(model: CausalLm, batch: number, count: number): Tensor2D {
  return batchOf(Array.from({ length: batch }, (_, b) => someIds(model, b + 1, count)));
}

/** [B, T, V] to [B, count, V]. */
function positions(logits: Tensor3D, from: number, count: number): Tensor3D {
  const [B, , V] = logits.shape;
  return slice(logits, [0, from, 0], [B, count, V]);
}

/** [B, T, V] to [1, T, V]. */
function rowOf(logits: Tensor3D, b: number): Tensor3D {
  const [, T, V] = logits.shape;
  return slice(logits, [b, 0, 0], [1, T, V]);
}

/** Some positions of keys or values [B, Hkv, T, d]. */
function between(x: Tensor4D, from: number, count: number): Tensor4D {
  const [B, H, , d] = x.shape;
  return slice(x, [0, 0, from, 0], [B, H, count, d]);
}

function readAll(
  model: TappedLm,
  tokens: Tensor2D,
  { last = model.kvShapes.length - 1, cache }: { last?: number; cache?: KvCache } = {},
): { keys: Tensor4D; values: Tensor4D }[] {
  const pairs: { keys: Tensor4D; values: Tensor4D }[] = [];
  const onLayer = (_layer: number, { keys, values }: KvPair) => pairs.push({ keys, values });
  model.readRawKv(tokens, { last, onLayer, ...(cache && { cache }) });
  return pairs;
}

async function expectSameCache(
  cache: KvCache,
  expected: KvCache,
  near: { atol: number; rtol: number },
): Promise<void> {
  for (const layer of cache.shapes.keys()) {
    const length = expected.layerLength(layer);
    expect(cache.layerLength(layer)).toBe(length);
    const [saw, wanted] = [cache.layer(layer), expected.layer(layer)];
    await expect(between(saw.keys, 0, length)).toBeAllClose(between(wanted.keys, 0, length), near);
    await expect(between(saw.values, 0, length)).toBeAllClose(between(wanted.values, 0, length), near);
  }
}

/** The parameters, which the suite expects to be plain tensors. */
function tensorsOf(model: CausalLm): { readonly [name: string]: Tensor } {
  return model.params as { readonly [name: string]: Tensor };
}
