import { expect, test } from "vitest";
import { pickEvenly } from "./pick-evenly.ts";

test("spreads over all items, in order", () => {
  expect(pickEvenly([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 4)).toEqual([0, 2, 5, 7]);
});

test("gives all where there are no more", () => {
  expect(pickEvenly(["a", "b"], 3)).toEqual(["a", "b"]);
});
