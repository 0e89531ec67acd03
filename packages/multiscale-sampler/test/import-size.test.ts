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

test("importing the image sampler costs less than 4 kB", async () => {
  const code = await bundle("createSampler, variableBatchScales");
  expect(gzipSync(code, { level: 9 }).length).toBeLessThan(4000);
  for (const foreign of [
    "19650218",
    "prefetch:",
    "planTraining",
    "createVideoClipSampler",
    "sequenceScales",
  ]) {
    expect(code).not.toContain(foreign); // the Mersenne twister, and what else it does not need
  }
  expect(await bundle("cpython")).toContain("19650218"); // the test can see it
});
