import type { BatchSource } from "@corenet/train";
import { expect, test } from "vitest";
import { scaledBatches } from "./scaled-batches.ts";

/** a0, a1, a2, … */
function counter(name: string): BatchSource<string> {
  let count = 0;
  return {
    next: () => `${name}${count++}`,
    save: () => count,
    restore: (saved) => {
      count = Number(saved);
    },
  };
}

const order = "aabacbac";
const scaleOf = (step: number) => order[step] ?? "a";
const fresh = () => scaledBatches(scaleOf, { a: counter("a"), b: counter("b"), c: counter("c") });
const all = ["a0", "a1", "b0", "a2", "c0", "b1", "a3", "c1", "a4"];

test("each scale goes on where it was", () => {
  const source = fresh();
  expect(all.map(() => source.next())).toEqual(all);
});

test("goes on from any saved position", () => {
  for (let before = 0; before <= all.length; before++) {
    const source = fresh();
    for (let i = 0; i < before; i++) void source.next();
    const other = fresh();
    other.restore(JSON.parse(JSON.stringify(source.save())));
    expect(all.slice(before).map(() => other.next())).toEqual(all.slice(before));
  }
});

test("refuses a scale without a source, and positions that are none", () => {
  expect(() => scaledBatches(scaleOf, { b: counter("b") }).next()).toThrow("step 0 has the scale a");
  for (const wrong of ["null", '{ "step": -1, "positions": {} }', '{ "step": 1, "positions": { "a": 0 } }']) {
    expect(() => fresh().restore(JSON.parse(wrong))).toThrow(
      "expected { step, positions } with a position for each of a",
    );
  }
});
