// A hidden tab paints nothing and lets its timers wait for a second or more. Headless Chromium hides no tab, so the page
// is given such timers.
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { expect, test } from "vitest";
import { launchChromium } from "../../../tools/test/browser/launch.ts";
import { serve } from "../../../tools/test/browser/serve.ts";

const script = `
  import * as corenet from "corenet";
  import { byteTokenizer, createOpenElm, crossEntropy, openElmConfig, Rng } from "corenet";

  const config = openElmConfig({
    ...{ numLayers: 1, modelDim: 16, headDim: 8, groupSize: 1, ffnDivisor: 8 },
    ...{ qkvMultipliers: 1, ffnMultipliers: 1, vocabSize: 256, contextLength: 32 },
  });
  globalThis.trainHidden = async () => {
    await corenet.useBackend(corenet.wasm());
    const model = await createOpenElm(config, { rng: new Rng(1) });
    const text = byteTokenizer().encode("a hidden tab goes on. ".repeat(9));
    const start = performance.now();
    const { params, history } = await corenet.train({
      params: model.params,
      loss: (params, { tokens, targets }) => crossEntropy(model.withParams(params).forward(tokens), targets),
      batches: corenet.windowBatches([text], { batchSize: 2, length: 16, rng: new Rng(2) }),
      schedule: corenet.cosineSchedule({ peak: 0.01, total: 30 }),
      steps: 30,
    });
    let written = "";
    for await (const piece of corenet.generateText(model.withParams(params), { prompt: "a", maxNewTokens: 20 }))
      written += piece;
    return { steps: history.length, wrote: written.length > 0, seconds: (performance.now() - start) / 1000 };
  };
`;

test("training and generating go on in a hidden tab", async () => {
  const { outputFiles } = await build({
    stdin: { contents: script, resolveDir: fileURLToPath(new URL(".", import.meta.url)) },
    conditions: ["@corenet/source"],
    ...{ bundle: true, format: "esm", target: "es2022", write: false },
  });
  const page = '<!doctype html><script type="module" src="/page.js"></script>';
  await using site = await serve((path) =>
    path === "/"
      ? { body: page, type: "text/html" }
      : { body: outputFiles[0]?.contents ?? "", type: "text/javascript" },
  );
  await using browser = await launchChromium();
  const tab = await browser.newPage();
  await tab.addInitScript(() => {
    const later = globalThis.setTimeout;
    Object.assign(globalThis, {
      requestAnimationFrame: () => 0, // never
      requestIdleCallback: () => 0,
      setTimeout: (work: () => void, ms = 0) => later(work, Math.max(ms, 1000)),
    });
  });
  await tab.goto(site.origin);
  await tab.waitForFunction(() => "trainHidden" in globalThis, undefined, { polling: 100 });
  const found = await tab.evaluate(() =>
    (
      globalThis as unknown as { trainHidden(): Promise<{ steps: number; wrote: boolean; seconds: number }> }
    ).trainHidden(),
  );
  expect(found).toMatchObject({ steps: 30, wrote: true });
  expect(found.seconds).toBeLessThan(15); // 50 turns of a second each, if anything waited for a timer
});
