import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { expect, test } from "vitest";

/** Bundled and minified, as an app would ship it. */
async function bundle(imports: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: {
      contents: `export { ${imports} } from "@corenet/multiscale-sampler";`,
      resolveDir: fileURLToPath(new URL(".", import.meta.url)),
    },
    conditions: ["@corenet/source"],
    bundle: true,
    minify: true,
    format: "esm",
    write: false,
  });
  return outputFiles[0]?.text ?? "";
}

/** Bytes of the image sampler with its random numbers, gzip -9. */
const BUDGET = 4000;

test("importing the image sampler costs less than 4 kB, its random numbers included", async () => {
  const code = await bundle("createSampler, variableBatchScales, RandomStream");
  expect(gzipSync(code, { level: 9 }).length).toBeLessThan(BUDGET);
  for (const foreign of [
    "19650218",
    "prefetch:",
    "planTraining",
    "createVideoClipSampler",
    "sequenceScales",
    "Rng.normal",
  ]) {
    expect(code).not.toContain(foreign); // the Mersenne twister, and what else it does not need
  }
  const seen = await bundle("cpython, Rng"); // the test can see them
  for (const foreign of ["19650218", "Rng.normal"]) expect(seen).toContain(foreign);
});
