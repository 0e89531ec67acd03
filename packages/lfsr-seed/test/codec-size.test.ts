import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { expect, test } from "vitest";

/** The entry as a bundler for the browser makes it, without the fast search, which is imported on demand. */
async function bundle(code: string) {
  const { outputFiles, metafile } = await build({
    stdin: { contents: code, resolveDir: import.meta.dirname, loader: "ts" },
    ...{
      bundle: true,
      minify: true,
      write: false,
      metafile: true,
      external: ["../search/default-search.ts"],
    },
    ...{ format: "esm", platform: "browser", target: "es2022", conditions: ["@corenet/source"] },
  });
  const bytes = gzipSync(outputFiles[0]?.contents ?? "", { level: 9 }).length;
  return { bytes, inputs: Object.keys(metafile.inputs) };
}

test("the codec, all that its entry exports, is below 8 kB, compressed, and needs core alone", async () => {
  const { bytes, inputs } = await bundle('export * from "@corenet/lfsr-seed/codec"');
  expect(bytes).toBeGreaterThan(1000);
  expect(bytes).toBeLessThan(8000);
  for (const input of inputs) expect(input).toMatch(/^<stdin>$|lfsr-seed\/src\/(codec|lfsr)|core\/src/);
});

test("registers and bases alone are below 2 kB", async () => {
  const { bytes } = await bundle('export * from "@corenet/lfsr-seed/register"');
  expect(bytes).toBeLessThan(2000);
});

test("decoding alone is below 2 kB", async () => {
  const { bytes } = await bundle('export { decodeRows, decodeTensor } from "@corenet/lfsr-seed/codec"');
  expect(bytes).toBeLessThan(2000);
});
