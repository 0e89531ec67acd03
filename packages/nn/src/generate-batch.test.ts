import { Rng } from "@corenet/core";
import { expect, test } from "vitest";
import { expectNoLeak, onBackend } from "../../../tools/testing/index.ts";
import { BagOfWordsLm } from "../test/bag-of-words-lm.ts";
import { generateBatch } from "./generate-batch.ts";

const table = Array.from({ length: 5 }, (_, i) =>
  Array.from({ length: 5 }, (_, j) => Math.sin(i * 7 + j * j)),
);
const create = () => new BagOfWordsLm(table);
const collect = async (steps: AsyncIterable<(number | undefined)[]>) => {
  const all: (number | undefined)[][] = [];
  for await (const ids of steps) all.push(ids);
  return all;
};

onBackend("wasm", () => {
  test("rows that have ended stay so, and the last one ends the loop", async () => {
    const free = await collect(generateBatch(create(), [[1], [2]], { maxNewTokens: 6 }));
    const stop = free[2]?.[0] as number;
    const steps = await collect(generateBatch(create(), [[1], [2]], { maxNewTokens: 6, stop: [stop] }));
    const rows = [0, 1].map((row) => steps.map((step) => step[row]).filter((id) => id !== undefined));
    const whole = [0, 1].map((row) => free.map((step) => step[row] as number));
    rows.forEach((ids, row) => {
      const end = (whole[row] as number[]).indexOf(stop);
      expect(ids).toEqual(end < 0 ? whole[row] : whole[row]?.slice(0, end));
    });
    const all = [0, 1, 2, 3, 4];
    expect(await collect(generateBatch(create(), [[1], [2]], { maxNewTokens: 6, stop: all }))).toEqual([]);
  });

  test("a row does not depend on how many others are drawn", async () => {
    const options = { maxNewTokens: 8, temperature: 2 };
    const two = await collect(generateBatch(create(), [[1], [2]], { ...options, rng: new Rng(4) }));
    const one = await collect(generateBatch(create(), [[1]], { ...options, rng: new Rng(4) }));
    expect(two.map(([first]) => first)).toEqual(one.map(([first]) => first));
  });

  test("leaves nothing behind when the loop is left", async () => {
    const model = create();
    await expectNoLeak(async () => {
      for await (const ids of generateBatch(model, [[1], [2]])) if (ids.length > 0) break;
    });
  });

  test("refuses what it cannot continue", async () => {
    const first = (prompts: number[][], options = {}) => generateBatch(create(), prompts, options).next();
    await expect(first([])).rejects.toThrow("got prompts of [] tokens");
    await expect(first([[1], []])).rejects.toThrow("got prompts of [1,0] tokens");
    await expect(first([[1], [5]])).rejects.toThrow("prompt 1 holds 5, expected integers in [0, 5)");
    await expect(first([[1]], { maxNewTokens: 32 })).rejects.toThrow(
      "maxNewTokens is 32, expected at most 32 in all",
    );
    await expect(first([[1]], { signal: AbortSignal.abort() })).rejects.toThrow("aborted");
  });
});
