import fc from "fast-check";
import { expect, test } from "vitest";
import { RandomStream } from "./random-stream.ts";
import { Rng } from "./rng.ts";

const take = (stream: RandomStream) => [
  ...[1, 2, 7, 2 ** 32, 2 ** 40].map((n) => stream.integer(n)),
  ...[stream.uniform(), stream.uniform()],
];

test("gives the numbers of an Rng with the same seed and labels", () => {
  const label = fc.oneof(fc.string(), fc.maxSafeInteger());
  fc.assert(
    fc.property(label, fc.array(label, { maxLength: 3 }), (seed, path) => {
      let stream = new RandomStream(seed);
      let rng = new Rng(seed);
      for (const one of path) {
        stream = stream.split(one);
        rng = rng.split(one);
      }
      expect(take(stream)).toEqual(take(rng));
    }),
  );
});

test("splits its own kind, and draws nothing for it", () => {
  const stream = new RandomStream("a");
  const before = take(new RandomStream("a"));
  expect(stream.split("b")).toBeInstanceOf(RandomStream);
  expect(stream.split("b")).not.toBeInstanceOf(Rng);
  expect(new Rng("a").split("b")).toBeInstanceOf(Rng);
  expect(take(stream)).toEqual(before);
});

test("says how to mend a seed, a label and a range", () => {
  expect(() => new RandomStream(0.5)).toThrow("Rng: seed is 0.5, expected a safe integer or a string");
  expect(() => new RandomStream(1).split(2 ** 60)).toThrow("Rng.split: label is");
  expect(() => new RandomStream(1).integer(0)).toThrow("n is 0, expected an integer in [1, 2^53)");
});
