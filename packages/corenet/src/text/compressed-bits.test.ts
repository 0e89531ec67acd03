import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { compressedBits } from "./compressed-bits.ts";

const blocks = ["to be or not to be, ".repeat(40), "that is the question. ".repeat(40)].map((text) =>
  new TextEncoder().encode(text),
);

test("is what the gzip program needs with -9", () => {
  const text = Buffer.concat(blocks);
  const program = execFileSync("gzip", ["-9", "-n", "-c"], { input: text });
  expect(Math.abs((compressedBits(blocks).gzip * text.length) / 8 - program.length)).toBeLessThanOrEqual(2);
});

test("compresses all blocks as one text", () => {
  const [one] = blocks as [Uint8Array];
  expect(compressedBits([one, one]).gzip).toBeLessThan(0.6 * compressedBits([one]).gzip);
  expect(compressedBits(blocks).brotli).toBeLessThan(compressedBits(blocks).gzip);
});
