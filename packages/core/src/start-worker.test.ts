import "node:process"; // the programs of its workers are for Node, and so is this file
import "node:process"; // the program of its workers is for Node, and so is this file
import { afterEach, expect, test, vi } from "vitest";
import { startWorker, type WorkerHandle } from "./start-worker.ts";

const program = `
  const port = process.getBuiltinModule("node:worker_threads").parentPort;
  port.on("message", ({ values, how }) => {
    if (how === "throw") throw new Error("broken");
    if (how === "exit") process.exit(3);
    if (how === "hang") for (;;);
    const doubled = Float32Array.from(values, (x) => 2 * x);
    port.postMessage(doubled, [doubled.buffer]);
  });
`;
let worker: WorkerHandle | undefined;
afterEach(() => worker?.terminate());

/** A worker, and promises of its first message and its failure. */
function started(source = program) {
  const answer = Promise.withResolvers<unknown>();
  const failure = Promise.withResolvers<string>();
  worker = startWorker({ source, name: "test", onMessage: answer.resolve, onFailure: failure.resolve });
  return { worker: worker as WorkerHandle, answer: answer.promise, failure: failure.promise };
}

test("takes messages, gives answers, moves buffers", async () => {
  const { worker, answer } = started();
  const values = Float32Array.of(1, 2, 3);
  worker.send({ values }, [values.buffer]);
  expect(values.length).toBe(0);
  expect(await answer).toEqual(Float32Array.of(2, 4, 6));
});

test("tells why it failed: an error, a program that is none, an end of its own", async () => {
  const throwing = started();
  throwing.worker.send({ how: "throw" });
  expect(await throwing.failure).toBe("broken");
  expect(await started("this is no program").failure).toContain("Unexpected identifier");
  const exiting = started();
  exiting.worker.send({ how: "exit" });
  expect(await exiting.failure).toBe("it ended with exit code 3");
});

test("terminate ends it whatever it does, and is no failure", async () => {
  const onFailure = vi.fn();
  const handle = startWorker({ source: program, name: "test", onFailure });
  handle?.send({ how: "hang" });
  await new Promise((resolve) => setTimeout(resolve, 50));
  await handle?.terminate();
  expect(onFailure).not.toHaveBeenCalled();
});
