// Work repeated in a process of its own: another heap and other threads than this one has.
import { type ChildProcess, fork } from "node:child_process";
import type { Contender } from "./harness.ts";

/** What one run gave. */
export interface RunReply {
  /** By the clock of the process that did it. */
  ms: number;
  /** A number to check the work by: a loss. */
  value?: number;
  /** Several, likewise: logits. */
  values?: readonly number[];
  /** Memory that it took. */
  bytes?: number;
}

/** A process that does its work once whenever it is asked. Close it, or hold it with `await using`. */
export class Runner implements AsyncDisposable {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /**
   * Starts `script` with `args`, under the flags of this process, and waits until it is ready.
   *
   * @param script - must call `serveRuns`
   * @throws Error when it ends before
   */
  static async start(script: URL, args: readonly string[]): Promise<Runner> {
    const child = fork(script, args);
    await answerOf(child);
    return new Runner(child);
  }

  /**
   * One run at a time.
   *
   * @param what - which of its works, where the script has several
   * @throws Error when the process ends
   */
  run(what = ""): Promise<RunReply> {
    const answer = answerOf(this.#child);
    this.#child.send(what);
    return answer;
  }

  contender(name: string, what = ""): Contender {
    return { name, run: async () => (await this.run(what)).ms };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((done) => this.#child.once("exit", done));
    this.#child.kill(); // threads of its own may keep it alive
    await ended;
  }
}

/** In the process that a Runner started: answers until it is ended. */
export function serveRuns(run: (what: string) => Promise<RunReply>): void {
  process.on("message", async (what: string) => process.send?.(await run(what)));
  process.send?.({ ms: 0 });
}

function answerOf(child: ChildProcess): Promise<RunReply> {
  return new Promise((done, fail) => {
    const onExit = (code: number | null, signal: string | null): void => {
      child.off("message", onMessage);
      fail(new Error(`Runner: ${child.spawnargs[1]} ended with ${code ?? signal}. Look at its stderr.`));
    };
    const onMessage = (reply: RunReply): void => {
      child.off("exit", onExit);
      done(reply);
    };
    child.once("exit", onExit);
    child.once("message", onMessage);
  });
}
