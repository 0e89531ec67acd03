import { expect, test } from "vitest";
import { runFirstExample } from "../../../tools/testing/run-first-example.ts";

test("the README's first run does what it says", async () => {
  expect(await runFirstExample("nn")).toBe("[ 1, 4, 5, 16 ] 5\n");
});
