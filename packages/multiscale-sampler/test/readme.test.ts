import { expect, test } from "vitest";
import { runFirstExample } from "../../../tools/testing/run-first-example.ts";

test("the README's first run does what it says", async () => {
  expect(await runFirstExample("multiscale-sampler")).toMatchInlineSnapshot(`
    "step 0: 392 images of 128 x 128
    step 1: 392 images of 128 x 128
    step 2: 250 images of 160 x 160
    33.5 % fewer FLOPs
    "
  `);
});
