import { expect, test } from "vitest";
import { hasWebGpu } from "../../../tools/testing/index.ts";
import { runFirstExample } from "../../../tools/testing/run-first-example.ts";

test.skipIf(!hasWebGpu)("the first example of the README prints what it says", async () => {
  expect(await runFirstExample("backend-webgpu")).toBe("2097152\n");
});
