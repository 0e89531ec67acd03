// Work measured in a process of its own: nothing is compiled or allocated before it, and its peak of memory is its own.
import { fork } from "node:child_process";
import { readFile } from "node:fs/promises";
import type { Contender } from "./harness.ts";

interface Cost {
  ms: number;
  peakBytes: number;
}

/** A contender that starts a process for each run. */
export interface ChildContender extends Contender {
  /** The most memory that was resident at once, one entry for each run, warm-up included. */
  readonly peakBytes: readonly number[];
}

/**
 * A contender that runs `script` with `args` in a new process, under the flags of this one.
 *
 * @param script - must call `measureInChild`, once
 * @throws Error, in `run`, when the process ends without having told its cost
 */
export function childContender(name: string, script: URL, args: readonly string[]): ChildContender {
  const peakBytes: number[] = [];
  return {
    name,
    peakBytes,
    async run() {
      const cost = await costOf(script, args);
      peakBytes.push(cost.peakBytes);
      return cost.ms;
    },
  };
}

/** In the child: does `work`, and tells the parent. What `work` returns was held together at its end. */
export async function measureInChild(work: () => Promise<unknown>): Promise<void> {
  const start = performance.now();
  await work();
  const ms = performance.now() - start;
  const cost: Cost = { ms, peakBytes: await peakOfThisProcess() };
  process.send?.(cost, () => process.disconnect());
}

function costOf(script: URL, args: readonly string[]): Promise<Cost> {
  const child = fork(script, args);
  return new Promise((done, fail) => {
    let cost: Cost | undefined;
    child.on("message", (message: Cost) => {
      cost = message;
    });
    child.once("error", fail);
    child.once("exit", (code, signal) => {
      if (cost && code === 0) done(cost);
      else
        fail(
          new Error(`childContender: ${script.pathname} ended with ${code ?? signal}. Look at its stderr.`),
        );
    });
  });
}

/** Linux hands the peak of the parent on to maxRSS of a child, so there the kernel's own count of the process is read. */
async function peakOfThisProcess(): Promise<number> {
  if (process.platform === "linux") {
    const [, kibibytes] = /^VmHWM:\s*(\d+) kB$/m.exec(await readFile("/proc/self/status", "utf8")) ?? [];
    if (kibibytes) return Number(kibibytes) * 1024;
  }
  return process.resourceUsage().maxRSS * 1024;
}
