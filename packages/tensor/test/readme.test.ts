import { expect, test } from "vitest";
import { runFirstExample } from "../../../tools/testing/run-first-example.ts";

test.each([
  ["tensor", "3.00 1.00\n"],
  ["backend-cpu", "21 43\n"],
  ["backend-wasm", "134217728\n"],
])("the first example of %s prints what it says, in plain Node", async (name, printed) => {
  expect(await runFirstExample(name)).toBe(printed);
});
