// A worker of the runtime at hand: worker_threads in Node, a blob's or a data URL's elsewhere.
import { workerSource } from "./worker-source.ts";

export interface WorkerHandle {
  send(message: object): void;
  terminate(): void;
}

/**
 * Starts a worker that does not keep the process alive.
 *
 * @param onFailure - told once, when it fails or cannot be started after all
 * @returns undefined where the runtime, or its content security policy, has none
 */
export function startWorker(onFailure: (reason: string) => void): WorkerHandle | undefined {
  const threads = globalThis.process?.getBuiltinModule?.("node:worker_threads");
  if (threads) {
    const worker = new threads.Worker(workerSource, { eval: true, execArgv: [], name: "corenet-wasm" });
    worker.on("error", (error) => onFailure(`a worker failed: ${error.message}`));
    worker.on("message", ({ error }: { error: string }) => onFailure(`a worker failed: ${error}`));
    worker.unref();
    return { send: (message) => worker.postMessage(message), terminate: () => void worker.terminate() };
  }
  if (typeof Worker === "undefined") return undefined;
  const address = URL.createObjectURL(new Blob([workerSource], { type: "text/javascript" }));
  try {
    const worker = new Worker(address, { name: "corenet-wasm" });
    worker.onerror = (event) => onFailure(`a worker failed: ${event.message}`);
    worker.onmessage = ({ data }) => onFailure(`a worker failed: ${data.error}`);
    return { send: (message) => worker.postMessage(message), terminate: () => worker.terminate() };
  } catch {
    return undefined; // a policy that forbids blob: workers
  } finally {
    URL.revokeObjectURL(address);
  }
}
