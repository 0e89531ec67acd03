import { expect, test } from "vitest";
import { fromQuads, toQuads } from "./quads.ts";

test("interleaves four rows, leaves the rest, and back", () => {
  const rows = [0, 1, 10, 11, 20, 21, 30, 31, 40, 41];
  for (const words of [Uint32Array.from(rows), Uint16Array.from(rows)]) {
    toQuads(words, 2);
    expect([...words]).toEqual([0, 10, 20, 30, 1, 11, 21, 31, 40, 41]);
    fromQuads(words, 2);
    expect([...words]).toEqual(rows);
  }
});
