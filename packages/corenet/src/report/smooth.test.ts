import { expect, test } from "vitest";
import { smooth } from "./smooth.ts";

test("keeps a level as it is, from the first value on", () => {
  expect(smooth([3, 3, 3])).toEqual([3, 3, 3].map((x) => expect.closeTo(x, 12)));
});

test("is what a hand computes", () => {
  // Weights 1/2 and 1/4 of the second and first value, over their sum.
  expect(smooth([1, 4], { decay: 0.5 })).toEqual([1, 3]);
});
