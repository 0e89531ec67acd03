import { expect, test } from "vitest";
import { runFirstExample } from "../../../tools/testing/run-first-example.ts";

test("the first example of the README prints what it says", async () => {
  expect((await runFirstExample("data")).trimEnd().split("\n")).toEqual([
    "2 1 [ 255, 0, 0, 255, 255, 255 ]", // red, white
    "[ 255, 128, 128 ]", // their mean
    "flag 4 4 48",
  ]);
});
