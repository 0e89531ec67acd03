// A hidden tab paints nothing and lets its timers wait for a second or more.
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { beforeAll, expect, test } from "vitest";
import { openHideableTab } from "../../../tools/test/browser/hideable-tab.ts";
import { launchChromium } from "../../../tools/test/browser/launch.ts";
import { serve } from "../../../tools/test/browser/serve.ts";

const script = `
  import * as corenet from "corenet";
  import { byteTokenizer, createOpenElm, crossEntropy, openElmConfig, Rng } from "corenet";

  const config = openElmConfig({
    ...{ numLayers: 1, modelDim: 16, headDim: 8, groupSize: 1, ffnDivisor: 8 },
    ...{ qkvMultipliers: 1, ffnMultipliers: 1, vocabSize: 256, contextLength: 32 },
  });
  globalThis.trainHidden = async (backend = "wasm", steps = 30, everyStep = () => {}) => {
    await corenet.useBackend(corenet[backend]());
    const model = await createOpenElm(config, { rng: new Rng(1) });
    const text = byteTokenizer().encode("a hidden tab goes on. ".repeat(9));
    const start = performance.now();
    const { params, history } = await corenet.train({
      params: model.params,
      loss: (params, { tokens, targets }) => crossEntropy(model.withParams(params).forward(tokens), targets),
      batches: corenet.windowBatches([text], { batchSize: 2, length: 16, rng: new Rng(2) }),
      schedule: corenet.cosineSchedule({ peak: 0.01, total: steps }),
      steps,
      onStep: everyStep,
    });
    let written = "";
    for await (const piece of corenet.generateText(model.withParams(params), { prompt: "a", maxNewTokens: 20 }))
      written += piece;
    return { steps: history.length, wrote: written.length > 0, seconds: (performance.now() - start) / 1000 };
  };
`;

let page: Uint8Array;
beforeAll(async () => {
  const { outputFiles } = await build({
    stdin: { contents: script, resolveDir: fileURLToPath(new URL(".", import.meta.url)) },
    conditions: ["@corenet/source"],
    ...{ bundle: true, format: "esm", target: "es2022", write: false, external: ["webgpu"] },
  });
  page = outputFiles[0]?.contents ?? new Uint8Array();
});

const html = '<!doctype html><script type="module" src="/page.js"></script>';
const site = () =>
  serve((path) =>
    path === "/" ? { body: html, type: "text/html" } : { body: page, type: "text/javascript" },
  );

test.each(["wasm", "webgpu"])(
  "on %s, training and generating go on in a tab that another one covers",
  async (backend) => {
    await using server = await site();
    await using tab = await openHideableTab(server.origin);
    await tab.reach("'trainHidden' in globalThis");
    await tab.evaluate(`void (globalThis.visible = [], globalThis.running =
    trainHidden("${backend}", 40, ({ step }) => visible.push(document.visibilityState)))`);
    await tab.reach("visible.length >= 5", { timeoutMs: 120_000 });
    await tab.hide();
    const found = await tab.evaluate<{ steps: number; wrote: boolean }>("running");
    const visible = await tab.evaluate<string[]>("visible");
    expect(found).toMatchObject({ steps: 40, wrote: true });
    expect(visible.slice(0, 5)).toEqual(Array(5).fill("visible"));
    expect(visible.filter((state) => state === "hidden").length).toBeGreaterThan(3);
  },
  180_000,
);

test("no step waits for a timer or a frame", async () => {
  await using server = await site();
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
  await tab.goto(server.origin);
  await tab.waitForFunction(() => "trainHidden" in globalThis, undefined, { polling: 100 });
  const found = await tab.evaluate(() =>
    (
      globalThis as unknown as { trainHidden(): Promise<{ steps: number; wrote: boolean; seconds: number }> }
    ).trainHidden(),
  );
  expect(found).toMatchObject({ steps: 30, wrote: true });
  expect(found.seconds).toBeLessThan(15); // 50 turns of a second each, if anything waited for a timer
});
