import { Rng } from "@corenet/core";
import { expect, test } from "vitest";
import { createChainSampler } from "./chain.ts";
import { fixedScale } from "./image-scales.ts";
import { createSampler } from "./sampler.ts";

const member = (samples: number, batchSize: number) =>
  createSampler({
    samples,
    scales: fixedScale({ size: 8, batchSize }),
    random: new Rng(samples),
    lastBatch: "short",
  });
const tasks = { a: member(5, 2), b: member(12, 2), c: member(2, 2) };

test("one task after the other, steps counted through", () => {
  const plan = createChainSampler({ tasks }).epoch(0);
  expect(Array.from(plan, (batch) => batch.task).join("")).toBe("aaabbbbbbc");
  expect(Array.from(plan, (batch) => batch.step)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect([plan.length, plan.sampleCount, plan.paddedCount]).toEqual([10, 19, 19]);
});

test("in turns, with the right names after some have run out", () => {
  const plan = createChainSampler({ tasks, mode: "interleave" }).epoch(3);
  const batches = [...plan];
  expect(batches.map((batch) => batch.task).join("")).toBe("abcababbbb");
  for (const [task, sampler] of Object.entries(tasks)) {
    const mine = batches.filter((batch) => batch.task === task).map((batch) => batch.indices);
    expect(mine).toEqual(Array.from(sampler.epoch(3), (batch) => batch.indices));
  }
});

test("resumes, and iterates asynchronously", async () => {
  const sampler = createChainSampler({ tasks, mode: "interleave" });
  const whole = [...sampler.epoch(1)];
  expect([...sampler.epoch(1, { fromStep: 4 })]).toEqual(whole.slice(4));
  const batches = [];
  for await (const batch of { [Symbol.asyncIterator]: () => sampler.epoch(1)[Symbol.asyncIterator]() }) {
    batches.push(batch);
  }
  expect(batches).toEqual(whole);
});

test("says how to mend no tasks, and a start behind the end", () => {
  expect(() => createChainSampler({ tasks: {} })).toThrow("got no tasks. Pass { name: createSampler(…) }.");
  expect(() => [...createChainSampler({ tasks }).epoch(0, { fromStep: 11 })]).toThrow(
    "fromStep is 11 in an epoch of 10 batches",
  );
  expect(() => createChainSampler({ tasks }).epoch(-1)).toThrow(TypeError);
});
