// A GPU that goes away for real: Chromium's GPU process is killed while a page trains, generates or computes on WebGPU.
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { Page } from "playwright";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { launchChromium } from "../../../tools/test/browser/launch.ts";
import { serve } from "../../../tools/test/browser/serve.ts";
import type { app as pageApp, TrainingWishes } from "./gpu-process-page.ts";

/** What the page's script leaves there. */
declare const app: typeof pageApp;

vi.setConfig({ testTimeout: 180_000 }); // SwiftShader compiles anew after each kill, which a busy machine lets wait
const html = '<!doctype html><link rel="icon" href="data:," /><script type="module" src="/page.js"></script>';
let script: Uint8Array;

beforeAll(async () => {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("gpu-process-page.ts", import.meta.url))],
    conditions: ["@corenet/source"],
    ...{ bundle: true, format: "esm", target: "es2022", write: false, external: ["webgpu"] },
  });
  script = outputFiles[0]?.contents ?? new Uint8Array();
});

interface Gpu {
  readonly page: Page;
  /** Kills the GPU process when the page has come so far. */
  kill(when: { step: number }): Promise<void>;
}

/** In a Chromium of its own: after two killed GPU processes it allows no page WebGPU any more. */
async function onGpu<T>(work: (gpu: Gpu) => Promise<T>): Promise<T> {
  await using site = await serve((path) =>
    path === "/" ? { body: html, type: "text/html" } : { body: script, type: "text/javascript" },
  );
  await using browser = await launchChromium();
  const page = await browser.newPage();
  await page.goto(site.origin);
  await page.waitForFunction(() => "app" in globalThis, undefined, { polling: 50 });
  const session = await browser.newBrowserCDPSession();
  async function kill({ step }: { step: number }): Promise<void> {
    await page.waitForFunction((wanted) => app.step >= wanted, step, { polling: 5 });
    await session.send("Browser.crashGpuProcess");
  }
  return await work({ page, kill });
}

const training = (page: Page, wishes: TrainingWishes) =>
  page.evaluate((wanted) => app.trainOnGpu(wanted), wishes);

let undisturbed: readonly number[];
beforeAll(async () => {
  const { losses, failure } = await onGpu(({ page }) => training(page, { steps: 60 }));
  expect(failure).toBeNull();
  expect(losses).toHaveLength(60);
  undisturbed = losses;
}, 120_000);

function expectSameLosses(losses: readonly number[]): void {
  expect(losses).toHaveLength(60);
  for (const [i, loss] of losses.entries()) expect(loss).toBeCloseTo(undisturbed[i] as number, 4);
}

describe("a GPU process that is killed", () => {
  test("stops the training, which goes on from its checkpoint on another device with the same losses", async () => {
    await onGpu(async ({ page, kill }) => {
      const stopping = training(page, { steps: 60, saves: true });
      await kill({ step: 9 });
      const { failure } = await stopping;
      expect(failure).toMatch(
        /^DeviceLostError: train: the device failed at step \d+\. webgpu: the device was lost.* is of step \d+: call useBackend/,
      );
      const resumed = await training(page, { steps: 60, saves: true });
      expect(resumed).toMatchObject({ failure: null, losses: undisturbed });
    });
  });

  test("twice in one run: on another GPU device, then on wasm, with the same losses", async () => {
    await onGpu(async ({ page, kill }) => {
      const running = training(page, { steps: 60, fallBackTo: ["webgpu", "wasm"] });
      await kill({ step: 7 });
      await kill({ step: 15 });
      const { losses, went, survived, failure } = await running;
      expect({ went, failure }).toEqual({ went: ["webgpu", "wasm"], failure: null });
      for (const text of survived) expect(text).toMatch(/^DeviceLostError: train: the device failed at step/);
      expectSameLosses(losses);
    });
  });

  test("ends a generation with a named error, and another device takes over", async () => {
    await onGpu(async ({ page, kill }) => {
      const generating = page.evaluate(() => app.generateOnGpu());
      await kill({ step: 10 });
      expect(await generating).toMatch(
        /^DeviceLostError: webgpu: the device was lost .*useBackend\(webgpu\(\)\)/,
      );
      expect(await page.evaluate(() => app.start("webgpu"))).toEqual({ name: "webgpu", value: 2 });
    });
  });

  test("twice: Chromium gives the page no third device, and the next backend takes over", async () => {
    await onGpu(async ({ page, kill }) => {
      for (const step of [5, 200]) {
        const computing = page.evaluate(() => app.computeOnGpu());
        await kill({ step });
        expect(await computing).toMatch(/^DeviceLostError: webgpu: the device was lost/);
      }
      const started = page.evaluate(() => app.start("webgpu", "wasm"));
      expect(await started).toEqual({ name: "wasm", value: 2 });
    });
  });
});

describe("a GPU without room", () => {
  test("stops the training with a named error and a checkpoint to go on from", async () => {
    await onGpu(async ({ page }) => {
      const { failure } = await training(page, { steps: 60, saves: true, fullAt: 9 });
      expect(failure).toMatch(
        /^OutOfMemoryError: train: the device failed at step 9\. webgpu: the GPU has no room/,
      );
      expect(failure).toContain("is of step 8: call useBackend");
      const resumed = await training(page, { steps: 60, saves: true });
      expect(resumed).toMatchObject({ failure: null, losses: undisturbed });
    });
  });

  test("lets the run fall back to wasm", async () => {
    await onGpu(async ({ page }) => {
      const wishes = { steps: 60, fallBackTo: ["wasm"], fullAt: 9 };
      const { losses, went, survived } = await training(page, wishes);
      expect(went).toEqual(["wasm"]);
      expect(survived[0]).toMatch(/^OutOfMemoryError/);
      expectSameLosses(losses);
    });
  });
});
