import { expect, test } from "vitest";
import { runFirstExample } from "../../../tools/testing/run-first-example.ts";

test("the README's first run does what it says", async () => {
  const lines = (await runFirstExample("openelm")).trimEnd().split("\n");
  expect(lines[0]).toBe("170688 [ 32, 112, 176, 256 ]");
  expect(lines.slice(1).map((line) => Number.isInteger(Number(line)))).toEqual(Array(5).fill(true));
});
