import { gzipSync } from "node:zlib";
import type { Browser, Page } from "playwright";
import { openHideableTab } from "../test/browser/hideable-tab.ts";
import { launchChromium } from "../test/browser/launch.ts";
import { chromiumPath } from "../test/chromium.ts";
import { type Outcome, single, together } from "../test/outcome.ts";
import { serveSite } from "./serve-site.ts";

/** Bytes in gzip that a page may load until it trains. */
const mostTransferred = 600_000;
/** In the engine of TensorFlow.js under every minifier, and at the start of every WebAssembly file in base64. */
const tensorCode = /registryFactory|AGFzbQ/;
const timeoutMs = 240_000;

/**
 * The playground of the built site, in Chromium. One test each: what it loads before and until it trains; that the loss
 * falls, Stop stops and Generate writes, with threads; that it trains in a page that cannot share memory; the same on
 * webgpu and on cpu; and that it goes on in a hidden tab, whose title says so.
 */
export async function checkPlayground(): Promise<Outcome> {
  if (!chromiumPath()) return { passed: 0, failed: 0, skipped: checks.length, output: "" };
  const browser = await launchChromium();
  try {
    const outcomes: Outcome[] = [];
    for (const check of checks)
      outcomes.push(await check(browser).catch((error) => single(false, `\n${check.name}: ${error}\n`)));
    return together(outcomes);
  } finally {
    await browser.close();
  }
}

const checks = [
  checkTransfer,
  checkTraining,
  checkWithoutIsolation,
  function checkWebGpu(browser: Browser) {
    return checkBackend(browser, "webgpu", { steps: 4 }); // on a GPU that is a program
  },
  function checkCpu(browser: Browser) {
    return checkBackend(browser, "cpu", { steps: 3 }); // seconds each
  },
  checkHidden,
];

async function checkTransfer(browser: Browser): Promise<Outcome> {
  const files: { path: string; body: Uint8Array }[] = [];
  await using site = await serveSite({ isolated: true, onFile: (path, body) => files.push({ path, body }) });
  const page = await openPlayground(browser, site.origin);
  const early = files.filter(({ body }) => tensorCode.test(Buffer.from(body).toString("latin1")));
  await page.click("[data-test=start]");
  await reachStep(page, 1);
  await page.close();

  const sizes = files.map(({ path, body }) => ({ path, size: gzipSync(body, { level: 9 }).length }));
  const total = sizes.reduce((sum, { size }) => sum + size, 0);
  const largest = sizes.sort((a, b) => b.size - a.size).slice(0, 8);
  return single(
    early.length === 0 &&
      total <= mostTransferred &&
      files.some(({ body }) => tensorCode.test(Buffer.from(body).toString("latin1"))),
    `\nplayground: ${total} bytes until it trains, expected at most ${mostTransferred}; before Start it loads ` +
      `${early.length} files of tensor code (${early.map(({ path }) => path).join(", ")}), expected none. Largest:\n` +
      largest.map(({ path, size }) => `${size} ${path}\n`).join(""),
  );
}

async function checkTraining(browser: Browser): Promise<Outcome> {
  await using site = await serveSite({ isolated: true });
  const page = await openPlayground(browser, site.origin);
  await page.click("[data-test=start]");
  await reachStep(page, 5);
  const early = Number(await page.textContent("[data-test=bits]"));
  await reachStep(page, 60);
  const late = Number(await page.textContent("[data-test=bits]"));
  await page.click("[data-test=stop]");
  await page.waitForSelector("[data-test=generate]:enabled", { timeout: timeoutMs });
  const stoppedAt = await page.textContent("[data-test=step]");
  await page.click("[data-test=generate]");
  await page.waitForSelector("[data-test=start]", { timeout: timeoutMs }); // it comes back in place of Stop
  const written = (await page.textContent("[data-test=written]")) ?? "";
  const facts = (await page.textContent("[data-test=facts]")) ?? "";
  await page.close();
  return single(
    late < early - 1 &&
      /^\d+ of 600$/.test(stoppedAt ?? "") &&
      written.length > 60 &&
      facts.includes("on wasm"),
    `\nplayground: bits per byte from ${early} to ${late}, expected to fall by more than 1; stopped at ${stoppedAt}; ` +
      `wrote ${JSON.stringify(written)}, expected 120 bytes; it says "${facts}".\n`,
  );
}

async function checkWithoutIsolation(browser: Browser): Promise<Outcome> {
  await using site = await serveSite({ isolated: false });
  const page = await openPlayground(browser, site.origin);
  await page.click("[data-test=start]");
  await reachStep(page, 5);
  const facts = (await page.textContent("[data-test=facts]")) ?? "";
  await page.close();
  return single(
    facts.includes("on wasm, one thread"),
    `\nplayground without isolation: it says "${facts}", expected wasm with one thread.\n`,
  );
}

/** A text of one letter: all its batches are one and the same, so that each step lowers the loss. */
async function checkBackend(
  browser: Browser,
  backend: "webgpu" | "cpu",
  { steps }: { steps: number },
): Promise<Outcome> {
  await using site = await serveSite({ isolated: true });
  const page = await openPlayground(browser, site.origin);
  await page.selectOption("[data-test=backend]", backend);
  await page.click("[data-test=own-text] summary");
  await page.fill("[data-test=own-text] textarea", "a".repeat(3000));
  await page.click("[data-test=start]");
  await reachStep(page, 1);
  const early = Number(await page.textContent("[data-test=bits]"));
  await reachStep(page, steps);
  const late = Number(await page.textContent("[data-test=bits]"));
  await page.click("[data-test=stop]");
  await page.waitForSelector("[data-test=generate]:enabled", { timeout: timeoutMs });
  await page.click("[data-test=generate]");
  await page.waitForSelector("[data-test=start]", { timeout: timeoutMs });
  const written = (await page.textContent("[data-test=written]")) ?? "";
  const facts = (await page.textContent("[data-test=facts]")) ?? "";
  await page.close();
  return single(
    late < early && written.length > 60 && facts.includes(`on ${backend}`),
    `\nplayground on ${backend}: bits per byte from ${early} to ${late}, expected to fall; wrote ` +
      `${JSON.stringify(written)}, expected 120 bytes; it says "${facts}".\n`,
  );
}

async function checkHidden(): Promise<Outcome> {
  await using site = await serveSite({ isolated: true });
  await using tab = await openHideableTab(`${site.origin}/playground`);
  const step = `(Number.parseInt(document.querySelector("[data-test=step]")?.textContent ?? "") || 0)`;
  // The button is there before Vue listens to it.
  await tab.reach(
    `document.querySelector("[data-test=stop]") !== null || document.querySelector("[data-test=start]")?.click()`,
  );
  await tab.reach(`${step} >= 3`, { timeoutMs });
  const own = await tab.evaluate<string>("document.title");
  await tab.hide();
  const hiddenAt = await tab.evaluate<number>(step);
  await tab.reach(`${step} >= ${hiddenAt + 10}`, { timeoutMs });
  const title = await tab.evaluate<string>("document.title");
  await tab.show();
  const shown = await tab.evaluate<string>("document.title");
  return single(
    /^\d+ of 600 steps, training$/.test(title) &&
      Number.parseInt(title, 10) >= hiddenAt + 10 &&
      shown === own,
    `\nplayground in a hidden tab: its title is "${title}", expected how far it is; back in sight "${shown}", expected "${own}".\n`,
  );
}

async function openPlayground(browser: Browser, origin: string): Promise<Page> {
  const page = await browser.newPage();
  await page.goto(`${origin}/playground`, { waitUntil: "networkidle" });
  return page;
}

/** Waits until training has come to a step. What the page says when it fails is thrown. */
async function reachStep(page: Page, step: number): Promise<void> {
  const reached = await page.waitForFunction(
    (wanted) => {
      const failure = document.querySelector("[role=alert]")?.textContent;
      if (failure) return failure;
      return Number.parseInt(document.querySelector("[data-test=step]")?.textContent ?? "", 10) >= wanted;
    },
    step,
    { timeout: timeoutMs },
  );
  const answer = await reached.jsonValue();
  if (answer !== true) throw new Error(String(answer));
}
