import { globSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright";
import { NO_SIMD, type TestTurn } from "../testing/turn.ts";
import { bundleTests, type TestBundle } from "./browser/bundle.ts";
import { launchChromium } from "./browser/launch.ts";
import type { Task } from "./browser/page.ts";
import { type Answer, isolation, serve } from "./browser/serve.ts";
import type { FileReport } from "./browser/suite.ts";
import { chromiumPath } from "./chromium.ts";
import { canLackSimd, filesOf, type LesserTurn, relaxedSimdOff, simdOff } from "./lesser-turns.ts";
import { type Outcome, root, together } from "./outcome.ts";

interface Turn {
  name: string;
  where: Task["where"];
  isolated: boolean;
  turn: TestTurn;
  /** Whether a test file runs, by its path. @default all do */
  only?: (test: string) => boolean;
}

const onWasm: TestTurn = { backends: ["wasm"] };
const onWebGpu: TestTurn = { backends: ["webgpu"] };

const turns: readonly Turn[] = [
  { name: "wasm, page, isolated", where: "page", isolated: true, turn: onWasm },
  { name: "wasm, page", where: "page", isolated: false, turn: onWasm },
  { name: "wasm, worker, isolated", where: "worker", isolated: true, turn: onWasm },
  { name: "wasm, worker", where: "worker", isolated: false, turn: onWasm },
  {
    name: "webgpu, page",
    where: "page",
    isolated: false,
    turn: onWebGpu,
    only: (test) => !/^packages\/backend-(?:cpu|wasm)\//.test(test),
  },
  lesser(relaxedSimdOff),
  lesser(simdOff),
];

function lesser(turn: LesserTurn): Turn {
  const files = new Set(filesOf(turn, []));
  return { name: `${turn.name}, page`, where: "page", isolated: true, turn, only: (test) => files.has(test) };
}

/**
 * The unit tests once more, in headless Chromium: on wasm in pages and in workers, with threads (cross-origin isolated)
 * and without, on webgpu in a page, and those of kernels with relaxed SIMD and SIMD off. Each file has a page or a
 * worker of its own. Files that import Node's modules run in Node alone, and files without a backend in the isolated
 * turns of wasm alone.
 *
 * @param filters - parts of test file paths; empty for all
 */
export async function browserTests(filters: readonly string[]): Promise<Outcome> {
  const files = globSync("packages/*/{src,test}/**/*.test.ts", { cwd: root })
    .filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter)))
    .sort();
  if (!chromiumPath()) {
    console.log(`skipped the browser tests: no Chromium at $CHROMIUM or /usr/bin/chromium.`);
    return { passed: 0, failed: 0, skipped: files.length * turns.length, output: "" };
  }
  const bundle = await bundleTests(files);
  await using browser = await launchChromium();
  const outcomes: Outcome[] = [];
  for (const turn of turns) {
    if (!turn.turn.noSimd) outcomes.push(await runTurn(turn, browser, bundle));
    else if (canLackSimd) {
      await using old = await launchChromium([`--js-flags=${NO_SIMD}`]);
      outcomes.push(await runTurn(turn, old, bundle));
    }
  }
  return together(outcomes);
}

async function runTurn(turn: Turn, browser: Browser, bundle: TestBundle): Promise<Outcome> {
  const start = performance.now();
  await using site = await serve(answerWith(bundle), { headers: turn.isolated ? isolation : {} });
  await using context = await browser.newContext();
  const { isolated, only = () => true } = turn;
  const waiting = bundle.tests.filter(
    (test) => only(test) && ((isolated && turn.turn === onWasm) || bundle.withBackend.has(test)),
  );
  const reports: FileReport[] = [];
  async function work(): Promise<void> {
    let page = await context.newPage();
    for (let test = waiting.shift(); test !== undefined; test = waiting.shift()) {
      const file = `/${test.replace(/\.ts$/, ".js")}`;
      try {
        await page.goto(`${site.origin}/?${file}`); // a realm of its own
        reports.push(await page.evaluate(runTask, { file, where: turn.where, turn: turn.turn }));
      } catch (error) {
        reports.push({ passed: 0, failed: 1, skipped: 0, failures: [`${file}\n${error}`] });
        await page.close();
        page = await context.newPage(); // after a crash nothing else helps
      }
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, work));

  const sum = (count: (report: FileReport) => number) => reports.reduce((n, report) => n + count(report), 0);
  const outcome: Outcome = {
    passed: sum(({ passed }) => passed),
    failed: sum(({ failed }) => failed),
    skipped: sum(({ skipped }) => skipped),
    output: reports.flatMap(({ failures }) => failures.map((text) => `\n${turn.name}: ${text}\n`)).join(""),
  };
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(
    `${turn.name}: ${reports.length} files, ${outcome.passed} passed, ${outcome.failed} failed, ${seconds} s`,
  );
  return outcome;
}

/** Runs in the page. */
async function runTask(task: Task): Promise<FileReport> {
  const page: typeof import("./browser/page.ts") = await import("/tools/test/browser/page.js" as string);
  return page.runTask(task);
}

function answerWith({ files }: TestBundle): Answer {
  return (path) => {
    if (path === "/") return { body: "<!doctype html><title>tests</title>", type: "text/html" };
    const bundled = files.get(path);
    if (bundled) return { body: bundled };
    if (!path.startsWith("/golden/") || path.includes("..")) return undefined;
    try {
      return { body: readFileSync(join(root, path)) };
    } catch {
      return undefined;
    }
  };
}
