import type { Outcome } from "./outcome.ts";

/**
 * Runs checks one after another, a line for each, with the output of those that fail; then all lines again, and last
 * `N passed, N failed, N skipped`. A check that throws has failed.
 */
export async function runChecks(checks: Record<string, () => Promise<Outcome>>): Promise<void> {
  const total = { passed: 0, failed: 0, skipped: 0 };
  const lines: string[] = [];
  for (const [name, check] of Object.entries(checks)) {
    const start = performance.now();
    const { passed, failed, skipped, output } = await check().catch(failure);
    const seconds = ((performance.now() - start) / 1000).toFixed(1);

    if (failed > 0) console.log(output);
    const counts = `${passed} passed, ${failed} failed, ${skipped} skipped`;
    const line = `${failed > 0 ? "FAIL" : "ok  "}  ${name.padEnd(18)} ${counts.padEnd(36)} ${seconds.padStart(6)} s`;
    console.log(line);
    lines.push(line);
    total.passed += passed;
    total.failed += failed;
    total.skipped += skipped;
  }

  console.log(`\n${lines.join("\n")}`);
  console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  process.exitCode = total.failed > 0 ? 1 : 0;
}

function failure(error: unknown): Outcome {
  const output = error instanceof Error ? error.message : String(error);
  return { passed: 0, failed: 1, skipped: 0, output };
}
