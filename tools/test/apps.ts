import { copyFileSync, cpSync, existsSync, globSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import esbuild from "esbuild";
import type { Browser } from "playwright";
import { createServer, preview, build as viteBuild } from "vite";
import webpack from "webpack";
import { launchChromium } from "./browser/launch.ts";
import { isolation, type ServeOptions, serve } from "./browser/serve.ts";
import { chromiumPath } from "./chromium.ts";
import { type Outcome, root, run, single, together } from "./outcome.ts";

/** What tools/apps/train-and-generate.mjs returns. */
interface Run {
  loss: number;
  characters: number;
  leaked: number;
  threads: number;
}

/** What an app leaves in `globalThis.result`. */
interface AppResult {
  page: Run;
  /** Of an app that starts a worker of its own. */
  worker?: Run;
  /** Of tools/apps/decode.mjs. */
  pixels?: number[][];
}

const apps = join(root, "tools/apps");

/**
 * The apps of tools/apps, each with `corenet` installed from its tarball and no setting for it: built by the bundlers
 * that people use, or not at all, and run in Chromium or Node. One test each.
 *
 * @param app - a folder where the packages are installed
 */
export async function appTests(app: string): Promise<Outcome> {
  const outcomes = [await attempt("node-esm", () => runInNode(app))];
  if (!chromiumPath()) {
    console.log("skipped the apps for browsers: no Chromium at $CHROMIUM or /usr/bin/chromium.");
    return together([
      ...outcomes,
      { passed: 0, failed: 0, skipped: Object.keys(inBrowser).length, output: "" },
    ]);
  }
  await using browser = await launchChromium();
  for (const [name, runApp] of Object.entries(inBrowser)) {
    outcomes.push(await attempt(name, () => runApp(app, browser)));
  }
  return together(outcomes);
}

/** Each app's name says its folder. */
const inBrowser: Record<string, (app: string, browser: Browser) => Promise<AppResult>> = {
  async "vite dev"(app, browser) {
    const folder = copyApp(app, "vite");
    const server = await createServer({ root: folder, logLevel: "silent", server: { port: 0 } });
    try {
      await server.listen();
      return await open(browser, server.resolvedUrls?.local[0] ?? "");
    } finally {
      await server.close();
    }
  },
  async "vite build and preview"(app, browser) {
    const folder = copyApp(app, "vite");
    await viteBuild({ root: folder, logLevel: "silent" });
    const server = await preview({ root: folder, logLevel: "silent", preview: { port: 0 } });
    try {
      return await open(browser, server.resolvedUrls?.local[0] ?? "");
    } finally {
      await server.close();
    }
  },
  async webpack(app, browser) {
    const folder = copyApp(app, "webpack");
    const dist = join(folder, "dist");
    const compiler = webpack({
      context: folder,
      mode: "production",
      entry: "./main.js",
      output: { path: dist },
    });
    await new Promise<void>((resolve, reject) => {
      compiler?.run((error, stats) => {
        const text = stats?.hasErrors() ? stats.toString("errors-warnings") : undefined;
        if (error || text) reject(error ?? new Error(text));
        else resolve();
      });
    });
    copyFileSync(join(folder, "index.html"), join(dist, "index.html"));
    return openFolder(browser, dist, { headers: isolation });
  },
  async esbuild(app, browser) {
    const folder = copyApp(app, "esbuild");
    const dist = join(folder, "dist");
    await esbuild.build({
      absWorkingDir: folder,
      entryPoints: ["main.js", "worker.js"],
      ...{ bundle: true, minify: true, splitting: true, format: "esm", outdir: dist, logLevel: "silent" },
    });
    copyFileSync(join(folder, "index.html"), join(dist, "index.html"));
    return openFolder(browser, dist, { headers: isolation });
  },
  static: (app, browser) => openFolder(browser, copyStatic(app), { headers: isolation }),
};

async function runInNode(app: string): Promise<AppResult> {
  const { code, output } = await run(process.execPath, ["node.mjs"], { cwd: copyApp(app, "node-esm") });
  if (code !== 0) throw new Error(output);
  return JSON.parse(output);
}

/** A folder of files as they are, with the bundle that the package ships. */
function copyStatic(app: string): string {
  const folder = copyApp(app, "static");
  const { unpkg } = JSON.parse(readFileSync(join(app, "node_modules/corenet/package.json"), "utf8"));
  copyFileSync(join(app, "node_modules/corenet", unpkg), join(folder, "corenet.browser.js"));
  return folder;
}

/** Copies tools/apps/`name`, and the sources that all apps share, to where the packages are installed. */
function copyApp(app: string, name: string): string {
  const folder = join(app, name);
  mkdirSync(folder, { recursive: true });
  for (const file of globSync("*.{js,mjs}", { cwd: apps }))
    copyFileSync(join(apps, file), join(folder, file));
  if (existsSync(join(apps, name))) cpSync(join(apps, name), folder, { recursive: true });
  return folder;
}

async function openFolder(browser: Browser, folder: string, options: ServeOptions): Promise<AppResult> {
  const files = new Map(
    globSync("**/*.*", { cwd: folder }).map((file) => [`/${file.replaceAll("\\", "/")}`, join(folder, file)]),
  );
  await using site = await serve((path) => {
    const file = files.get(path === "/" ? "/index.html" : path);
    return file === undefined
      ? undefined
      : { body: readFileSync(file), type: path === "/" ? "text/html" : undefined };
  }, options);
  return await open(browser, site.origin);
}

/** Waits for what the app finds. Whatever fails in the page fails here. */
async function open(browser: Browser, address: string): Promise<AppResult> {
  const page = await browser.newPage();
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") errors.push(message.text());
  });
  try {
    await page.goto(address);
    await page.waitForFunction(() => "result" in globalThis, undefined, { timeout: 30_000 });
    const result = await page.evaluate(
      () => (globalThis as unknown as { result: Promise<AppResult> }).result,
    );
    const cores = await page.evaluate(() => Math.min(8, navigator.hardwareConcurrency));
    if (result.page.threads !== cores) {
      errors.push(`runs ${result.page.threads} threads, expected ${cores}`);
    } else if (cores > 1 && page.workers().length === 0) {
      errors.push("has no worker, expected those of its threads");
    }
    if (errors.length > 0) throw new Error(errors.join("\n"));
    return result;
  } catch (error) {
    throw errors.length > 0 ? new Error(errors.join("\n"), { cause: error }) : error;
  } finally {
    await page.close();
  }
}

/** One test: the app ran to its end and did what it should. */
async function attempt(name: string, runApp: () => Promise<AppResult>): Promise<Outcome> {
  try {
    const result = await runApp();
    return single(isRight(result), `\nthe app ${name} did something else: ${JSON.stringify(result)}\n`);
  } catch (error) {
    return single(false, `\nthe app ${name}: ${error}\n`);
  }
}

/** Untrained weights know nothing of 256 bytes, text comes out, nothing leaks, and red pixels are red. */
function isRight({ page, worker = page, pixels = [] }: AppResult): boolean {
  const runs = [page, worker].every(
    ({ loss, characters, leaked }) =>
      Math.abs(loss - Math.log(256)) < 1 && characters > 0 && characters <= 20 && leaked === 0,
  );
  return runs && pixels.every(([r = 0, g = 0, b = 0]) => r > 250 && g < 5 && b < 5);
}
