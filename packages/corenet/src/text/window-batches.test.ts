import { cpu } from "@corenet/backend-cpu";
import { Rng } from "@corenet/core";
import { type Tensor, takeData, useBackend } from "@corenet/tensor";
import { beforeAll, expect, test } from "vitest";
import { type WindowBatchesOptions, windowBatches } from "./window-batches.ts";

beforeAll(async () => {
  await useBackend(cpu());
});

// Two pieces of one text; between them lies what is held out, bytes 100 to 119.
const text = Uint8Array.from({ length: 220 }, (_, i) => i);
const pieces = [text.subarray(0, 100), text.subarray(120)];
const options = (): WindowBatchesOptions => ({ batchSize: 3, length: 8, rng: new Rng(5) });

const read = async (tensor: Tensor) => Array.from(await takeData(tensor, "int32"));

async function take(source: ReturnType<typeof windowBatches>, count: number): Promise<number[][]> {
  const batches: number[][] = [];
  for (let i = 0; i < count; i++) {
    const { tokens, targets } = await source.next();
    expect(tokens.shape).toEqual([3, 8]);
    const ids = await read(tokens);
    expect(await read(targets)).toEqual(ids.map((id) => id + 1)); // this text counts up
    batches.push(ids);
  }
  return batches;
}

test("never touches held-out text, nor reaches over it", async () => {
  const seen = (await take(windowBatches(pieces, options()), 60)).flat();
  expect(seen.filter((id) => id >= 99 && id < 120)).toEqual([]); // 99 is a target only
  expect(new Set(seen).size).toBeGreaterThan(190); // and all the rest comes in its time
});

test("sees nothing twice before the epoch ends", async () => {
  const [first, ...rest] = await take(windowBatches(pieces, options()), 6); // 18 of at least 22 windows
  const seen = [first, ...rest].flat();
  expect(new Set(seen).size).toBe(seen.length);
});

test("gives the same batches for the same seed, and others for another", async () => {
  const once = await take(windowBatches(pieces, options()), 9);
  expect(await take(windowBatches(pieces, options()), 9)).toEqual(once);
  expect(await take(windowBatches(pieces, { ...options(), rng: new Rng(6) }), 9)).not.toEqual(once);
});

test("goes on from a saved position, across epochs", async () => {
  for (const before of [0, 3, 8, 17]) {
    const source = windowBatches(pieces, options());
    await take(source, before);
    const saved = JSON.parse(JSON.stringify(source.save()));
    const expected = await take(source, 10);
    const other = windowBatches(pieces, options());
    other.restore(saved);
    expect(await take(other, 10)).toEqual(expected);
  }
});

test("refuses pieces that hold no window, and positions that are none", () => {
  expect(() => windowBatches([text.subarray(0, 8)], options())).toThrow("has 8 bytes, expected at least 9");
  expect(() => windowBatches(pieces, options()).restore({ epoch: 1 })).toThrow(
    'got the position {"epoch":1}',
  );
});
