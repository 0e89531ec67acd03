import { expect, test } from "vitest";
import { runFirstExample } from "../../../tools/testing/run-first-example.ts";

test("the first example of the README runs", async () => {
  const printed = await runFirstExample("lfsr-seed");
  expect(printed).toMatch(/^18\.\d dB\nFloat32Array\(64\)/);
});
