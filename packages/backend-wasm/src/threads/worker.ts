import { startWorker, type WorkerHandle } from "@corenet/core/platform";
import { workerSource } from "./worker-source.ts";

export interface KernelWorkerOptions {
  /** A file with the same program, where blob: workers are forbidden. */
  url: string | URL | undefined;
  /** Told when it is at work. */
  onReady(): void;
  /** Told when it fails, or cannot be started after all. */
  onFailure(reason: string): void;
}

/** A worker for kernels, where the runtime has any. */
export function startKernelWorker({
  url,
  onReady,
  onFailure,
}: KernelWorkerOptions): WorkerHandle | undefined {
  return startWorker({
    source: workerSource,
    url,
    name: "corenet-wasm",
    onMessage(message) {
      const { error } = message as { ready: true; error?: undefined } | { error: string };
      if (error === undefined) onReady();
      else onFailure(error);
    },
    onFailure,
  });
}
