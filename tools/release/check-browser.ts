import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import type { Browser } from "playwright";
import { launchChromium } from "../test/browser/launch.ts";
import { isolation, serve } from "../test/browser/serve.ts";
import { type Outcome, root, single, together } from "../test/outcome.ts";

/** What programs/browser.mjs gives back. */
interface BrowserRun {
  readonly loss: number;
  readonly tokens: readonly number[];
  /** Tensors that are left over. */
  readonly leaked: number;
}

const backends = ["wasm", "webgpu"] as const;
/**
 * Bundles programs/browser.mjs in an app that has installed the packages, and lets Chromium train a step and generate
 * 20 tokens on each backend, in a page isolated from other origins. One test each.
 */
export async function checkBrowser(app: string): Promise<Outcome> {
  const files = await bundle(app);
  await using site = await serve((path) => files.get(path), { headers: isolation });
  const browser = await launchChromium();
  try {
    const outcomes: Outcome[] = [];
    for (const name of backends) outcomes.push(await runOn(name, browser, site.origin));
    return together(outcomes);
  } finally {
    await browser.close();
  }
}

/** A page that loads the program: address to contents. */
async function bundle(app: string): Promise<Map<string, { body: string | Uint8Array }>> {
  copyFileSync(join(root, "tools/release/programs/browser.mjs"), join(app, "browser.mjs"));
  const { outputFiles } = await build({
    entryPoints: [join(app, "browser.mjs")],
    ...{ bundle: true, minify: true, splitting: true, format: "esm", outdir: "/" },
    ...{ write: false, logLevel: "silent", external: ["node:*"] },
  });
  const page = '<!doctype html><title>app</title><script type="module" src="/browser.js"></script>';
  const files = new Map<string, { body: string | Uint8Array }>([["/index.html", { body: page }]]);
  for (const { path, contents } of outputFiles) files.set(path, { body: contents });
  return files;
}

async function runOn(name: (typeof backends)[number], browser: Browser, origin: string): Promise<Outcome> {
  const page = await browser.newPage();
  try {
    await page.goto(`${origin}/index.html`, { waitUntil: "load" });
    const { loss, tokens, leaked } = await page.evaluate<BrowserRun, string>(
      (backend) => (globalThis as unknown as { run(name: string): Promise<BrowserRun> }).run(backend),
      name,
    );
    const untrained = Math.abs(loss - Math.log(256)) < 1; // fresh weights know nothing of 256 bytes
    const passed = untrained && tokens.length === 20 && leaked === 0;
    return single(
      passed,
      `\nChromium on ${name}: loss ${loss}, ${tokens.length} tokens and ${leaked} tensors left over, ` +
        "expected a loss near ln 256, 20 tokens and none.\n",
    );
  } catch (error) {
    return single(false, `\nChromium on ${name}: ${String(error)}\n`);
  } finally {
    await page.close();
  }
}
