// Bundled for the browser: runs one test file where it stands, in a page or a worker, with vitest's own collector,
// hooks and matchers, but without its server.
import { startTests } from "vitest/internal/browser";

/** What one test file found. A file that does not load is one failure. */
export interface FileReport {
  passed: number;
  failed: number;
  skipped: number;
  /** One text a failure: the test's full name and its errors. */
  failures: string[];
}

type Runner = Parameters<typeof startTests>[1];
type TestFile = Awaited<ReturnType<typeof startTests>>[number];
type Task = TestFile["tasks"][number];
interface TaskError {
  message: string;
  stack?: string | undefined;
}

/** @param file - address of the bundled test file */
export async function runFile(file: string): Promise<FileReport> {
  const report: FileReport = { passed: 0, failed: 0, skipped: 0, failures: [] };
  const [result] = await startTests([file], createRunner());
  for (const task of result?.tasks ?? []) count(task, [], report);
  const errors: TaskError[] = result?.result?.errors ?? [];
  // A file has no tests where all of its suites are for other backends.
  const serious = errors.filter(({ message }) => !message.startsWith("No test suite found"));
  if (serious.length > 0 && report.failed === 0) {
    report.failed++;
    report.failures.push(textOf([file], serious));
  }
  return report;
}

function count(task: Task, path: readonly string[], report: FileReport): void {
  const names = [...path, task.name];
  if (task.type === "suite") {
    for (const child of task.tasks) count(child, names, report);
    return;
  }
  if (task.result?.state === "pass") report.passed++;
  else if (task.mode === "skip" || task.mode === "todo") report.skipped++;
  else {
    report.failed++;
    report.failures.push(textOf(names, task.result?.errors ?? []));
  }
}

function textOf(names: readonly string[], errors: readonly TaskError[]): string {
  return [names.join(" > "), ...errors.map(({ message, stack = "" }) => `${message}\n${stack}`)].join("\n");
}

/** vitest asks its runner for files, and its matchers ask a global for their state. */
function createRunner(): Runner {
  const config = {
    root: "/",
    setupFiles: [],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxConcurrency: 1,
    sequence: { hooks: "stack", setupFiles: "list" },
    tags: [],
    expect: {},
    snapshotOptions: {},
  };
  const state = { config, providedContext: {}, ctx: { pool: "browser" }, environment: { name: "browser" } };
  Object.defineProperty(globalThis, "__vitest_worker__", { value: state, configurable: true });
  const runner = {
    config,
    pool: "browser",
    async importFile(file: string) {
      await import("../../testing/setup.ts");
      return import(file);
    },
  };
  return runner as unknown as Runner;
}
