import { globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TURN_VARIABLE } from "../testing/turn.ts";
import { chromiumPath } from "./chromium.ts";
import {
  canLackSimd,
  filesOf,
  type LesserTurn,
  relaxedSimdOff,
  simdOff,
  threadsOff,
} from "./lesser-turns.ts";
import { type Outcome, type RunOptions, root, run, together } from "./outcome.ts";

/** The parts of vitest's JSON report that we count. */
interface Report {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  numTodoTests: number;
  testResults: { status: string; assertionResults: { status: string }[] }[];
}

/**
 * Runs vitest on source, with its own output on the terminal. A file that does not load counts as one failed test, and
 * each browser test file counts as skipped where there is no Chromium.
 *
 * @param filters - parts of test file paths; empty for all
 */
export async function unitTests(filters: readonly string[]): Promise<Outcome> {
  const { failedElsewhere, ...counts } = await runVitest(filters, { show: true });
  return {
    passed: counts.passed,
    failed: counts.failed + (failedElsewhere ? 1 : 0),
    skipped: counts.skipped + skipBrowserFiles(filters),
    output: "",
  };
}

/**
 * The suites of kernels once more in Node, with threads, relaxed SIMD and SIMD off: one process a turn, so that each
 * starts its backend once. Prints a line for each.
 *
 * @param filters - parts of test file paths; empty for all
 */
export async function lesserUnitTests(filters: readonly string[]): Promise<Outcome> {
  const turns = [threadsOff, relaxedSimdOff, ...(canLackSimd ? [simdOff] : [])];
  if (!canLackSimd) console.log(`skipped SIMD off: V8 turns it off on x64 alone, this is ${process.arch}.`);
  const outcomes: Outcome[] = [];
  for (const turn of turns) outcomes.push(await lesserTurn(turn, filesOf(turn, filters)));
  return together(outcomes);
}

async function lesserTurn(turn: LesserTurn, files: readonly string[]): Promise<Outcome> {
  if (files.length === 0) return { passed: 0, failed: 0, skipped: 0, output: "" };
  const start = performance.now();
  const { failedElsewhere, output, ...counts } = await runVitest(["--no-isolate", ...files], {
    env: { [TURN_VARIABLE]: JSON.stringify(turn) },
  });
  const failed = counts.failed + (failedElsewhere ? 1 : 0);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`${turn.name}: ${files.length} files, ${counts.passed} passed, ${failed} failed, ${seconds} s`);
  return { passed: counts.passed, failed, skipped: counts.skipped, output: `\n${turn.name}:\n${output}` };
}

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/** Runs vitest, and counts what it reports. `failedElsewhere`: no test was found, or an error came outside all tests. */
async function runVitest(
  args: readonly string[],
  options: RunOptions,
): Promise<Counts & { failedElsewhere: boolean; output: string }> {
  const folder = mkdtempSync(join(tmpdir(), "corenet-vitest-"));
  const report = join(folder, "report.json");
  try {
    const vitest = join(root, "node_modules/vitest/vitest.mjs");
    const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
    const { code, output } = await run(process.execPath, [vitest, "run", ...reporters, ...args], options);
    const counts = count(JSON.parse(readFileSync(report, "utf8")));
    return { ...counts, failedElsewhere: code !== 0 && counts.failed === 0, output };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function count(report: Report): Counts {
  const unloadable = report.testResults.filter(
    (file) => file.status === "failed" && !file.assertionResults.some(({ status }) => status === "failed"),
  );
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + unloadable.length,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

/** vitest.config.ts leaves them out where there is no Chromium; here we say so. */
function skipBrowserFiles(filters: readonly string[]): number {
  if (chromiumPath()) return 0;
  const files = globSync("packages/*/{src,test}/**/*.browser.test.ts", { cwd: root }).filter(
    (file) => filters.length === 0 || filters.some((filter) => file.includes(filter)),
  );
  if (files.length > 0) {
    console.log(`skipped ${files.length} browser test files: no Chromium at $CHROMIUM or /usr/bin/chromium.`);
  }
  return files.length;
}
