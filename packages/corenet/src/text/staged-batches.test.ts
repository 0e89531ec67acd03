import type { BatchSource } from "@corenet/train";
import { expect, test } from "vitest";
import { stagedBatches } from "./staged-batches.ts";

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

const stages = () => [
  { steps: 2, source: counter("a") },
  { steps: 0, source: counter("b") },
  { steps: 3, source: counter("c") },
  { steps: 1, source: counter("d") },
];
const all = ["a0", "a1", "c0", "c1", "c2", "d0", "d1", "d2"];

test("takes so many from each, and the last for ever", () => {
  const source = stagedBatches(stages());
  expect(all.map(() => source.next())).toEqual(all);
});

test("goes on from any saved position", () => {
  for (let before = 0; before <= all.length; before++) {
    const source = stagedBatches(stages());
    for (let i = 0; i < before; i++) void source.next();
    const other = stagedBatches(stages());
    other.restore(JSON.parse(JSON.stringify(source.save())));
    expect(all.slice(before).map(() => other.next())).toEqual(all.slice(before));
  }
});

test("refuses no stages, and positions that are none", () => {
  expect(() => stagedBatches([])).toThrow("got no stages");
  expect(() => stagedBatches(stages()).restore({ stage: 4, taken: 0, position: 0 })).toThrow(
    "a stage below 4",
  );
  expect(() => stagedBatches(stages()).restore(null)).toThrow("got the position null");
});
