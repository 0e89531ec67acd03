// A peer in Python, which is optional: the environment variable PYTHON names an interpreter that has what it imports.
import { type ChildProcessByStdio, execFile, spawn } from "node:child_process";
import { createInterface, type Interface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** An interpreter for a peer, or the reason why there is none. */
export type PythonFound = { readonly python: string } | { readonly reason: string };

/** @param modules - what the peer imports: "torch" */
export async function findPython(modules: readonly string[]): Promise<PythonFound> {
  const python = process.env.PYTHON;
  const wanted = `Set PYTHON to an interpreter that has ${modules.join(" and ")}.`;
  if (!python) return { reason: `PYTHON is not set. ${wanted}` };
  try {
    await promisify(execFile)(python, ["-c", `import ${modules.join(", ")}`]);
    return { python };
  } catch (error) {
    const [, lastLine = String(error)] = /([^\n]+)\s*$/.exec(String(error)) ?? [];
    return { reason: `${python} does not serve: ${lastLine}. ${wanted}` };
  }
}

/** A Python script that answers lines of JSON by lines of JSON. Close it, or hold it with `await using`. */
export class PythonPeer implements AsyncDisposable {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: Interface;
  readonly #script: string;

  /** @param script - reads requests on standard input until that ends; what it says on standard error is shown */
  constructor(python: string, script: URL) {
    this.#script = fileURLToPath(script);
    this.#child = spawn(python, [this.#script], { stdio: ["pipe", "pipe", "inherit"] });
    this.#lines = createInterface(this.#child.stdout);
  }

  /** One request at a time. @throws Error when the script ends before it answers */
  ask<Reply>(request: object): Promise<Reply> {
    return new Promise((done, fail) => {
      const onLine = (line: string): void => {
        this.#child.off("exit", onExit);
        done(JSON.parse(line));
      };
      const onExit = (code: number | null, signal: string | null): void => {
        this.#lines.off("line", onLine);
        fail(new Error(`PythonPeer: ${this.#script} ended with ${code ?? signal}. Look at its stderr.`));
      };
      this.#lines.once("line", onLine);
      this.#child.once("exit", onExit);
      this.#child.stdin.write(`${JSON.stringify(request)}\n`);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((done) => this.#child.once("exit", done));
    this.#child.stdin.end(); // it ends by itself when nobody can ask any more
    await ended;
  }
}
