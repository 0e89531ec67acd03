import { expect, test } from "vitest";
import { loadGolden } from "../../../tools/testing/index.ts";
import { lookUp } from "./draft.ts";

const { json } = await loadGolden("openelm/generate");

test.each(json.lookup as { ids: number[]; draft: number[] }[])(
  "looks up $ids as the reference",
  ({ ids, draft }) => {
    expect(lookUp(ids, 10, 2)).toEqual(draft);
  },
);

test("prefers the longer run, and stops at the end", () => {
  expect(lookUp([1, 2, 9, 2, 7, 1, 2], 2, 1)).toEqual([9, 2]);
  expect(lookUp([2, 8, 1, 2, 9, 1, 2], 2, 2)).toEqual([9, 1]);
  expect(lookUp([1, 2, 3], 5, 2)).toEqual([]);
});
