import { globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromiumPath } from "./chromium.ts";
import { type Outcome, root, run } from "./outcome.ts";

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
  const folder = mkdtempSync(join(tmpdir(), "corenet-vitest-"));
  const report = join(folder, "report.json");
  try {
    const vitest = join(root, "node_modules/vitest/vitest.mjs");
    const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
    const { code } = await run(process.execPath, [vitest, "run", ...reporters, ...filters], { show: true });
    const counts = count(JSON.parse(readFileSync(report, "utf8")));
    const failedElsewhere = code !== 0 && counts.failed === 0; // no test found, or an error outside all tests
    return {
      passed: counts.passed,
      failed: counts.failed + (failedElsewhere ? 1 : 0),
      skipped: counts.skipped + skipBrowserFiles(filters),
      output: "",
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function count(report: Report): { passed: number; failed: number; skipped: number } {
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
