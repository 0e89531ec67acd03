import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bestFitDecreasing, packDocuments } from "./pack-documents.ts";

const ignoreId = -100;
const document = (ids: number[], targets = ids.map((id) => id + 1)) => ({
  tokens: Int32Array.from(ids),
  targets: Int32Array.from(targets),
});

test("by hand: the longest first, each where it leaves the least room", () => {
  const { rows, fillRate } = packDocuments(
    [document([1, 2]), document([10, 11, 12, 13]), document([20, 21, 22]), document([30])],
    { contextLength: 6, ignoreId },
  );
  expect(rows.map(({ tokens }) => [...tokens])).toEqual([
    [10, 11, 12, 13, 1, 2],
    [20, 21, 22, 30, 0, 0],
  ]);
  expect(rows.map(({ targets }) => [...targets])).toEqual([
    [11, 12, 13, 14, 2, 3],
    [21, 22, 23, 31, ignoreId, ignoreId],
  ]);
  expect(rows.map(({ documents }) => documents)).toEqual([
    [0, 4],
    [0, 3, 4],
  ]);
  expect(fillRate).toBe(10 / 12);
});

test("what stands behind the last target is left out", () => {
  const padded = document([5, 6, 7, 7], [ignoreId, 7, ignoreId, ignoreId]);
  const { rows } = packDocuments([padded, padded], { contextLength: 4, ignoreId, padId: 9 });
  expect(rows).toEqual([{ ...document([5, 6, 5, 6], [ignoreId, 7, ignoreId, 7]), documents: [0, 2] }]);
});

describe("any sizes", () => {
  const packable = fc.integer({ min: 1, max: 40 }).chain((capacity) =>
    fc.record({
      capacity: fc.constant(capacity),
      sizes: fc.array(fc.integer({ min: 1, max: capacity }), { minLength: 1, maxLength: 60 }),
    }),
  );
  const total = (sizes: readonly number[]) => sizes.reduce((sum, size) => sum + size, 0);

  test("each item is in one bin, no bin runs over, and no two bins could be one", () => {
    fc.assert(
      fc.property(packable, ({ capacity, sizes }) => {
        const bins = bestFitDecreasing(sizes, capacity);
        expect(bins.flat().sort((a, b) => a - b)).toEqual([...sizes.keys()]);
        const loads = bins
          .map((bin) => total(bin.map((item) => sizes[item] as number)))
          .sort((a, b) => a - b);
        expect(loads.at(-1)).toBeLessThanOrEqual(capacity);
        if (loads.length > 1) expect((loads[0] as number) + (loads[1] as number)).toBeGreaterThan(capacity);
      }),
    );
  });

  test("every token of every document is in one row, with its own target", () => {
    fc.assert(
      fc.property(packable, ({ capacity, sizes }) => {
        let id = 0;
        const documents = sizes.map((size) => document(Array.from({ length: size }, () => ++id)));
        const { rows, fillRate } = packDocuments(documents, { contextLength: capacity, ignoreId });
        const pairs = rows.flatMap(({ tokens, targets }) =>
          Array.from(tokens, (t, i) => [t, targets[i] as number]),
        );
        const used = pairs.filter(([, target]) => target !== ignoreId).sort(([a = 0], [b = 0]) => a - b);
        expect(used).toEqual(Array.from({ length: id }, (_, i) => [i + 1, i + 2]));
        expect(fillRate).toBeCloseTo(id / (rows.length * capacity), 12);
      }),
    );
  });
});

test("a large set is packed at once", () => {
  const sizes = Array.from({ length: 100_000 }, (_, i) => 20 + ((i * 7919) % 300));
  const bins = bestFitDecreasing(sizes, 2048);
  const fill = sizes.reduce((sum, size) => sum + size, 0) / (bins.length * 2048);
  expect(fill).toBeGreaterThan(0.999);
});

test("says which document does not fit", () => {
  const pack = (...documents: ReturnType<typeof document>[]) =>
    packDocuments(documents, { contextLength: 2, ignoreId });
  expect(() => pack()).toThrow("got no documents");
  expect(() => pack(document([1]), document([1, 2, 3]))).toThrow(
    "packDocuments: document 1 has 3 tokens up to its last target, expected 1 to 2. Cut it, or leave it out.",
  );
  expect(() => pack(document([1], [ignoreId]))).toThrow("document 0 has 0 tokens");
});
