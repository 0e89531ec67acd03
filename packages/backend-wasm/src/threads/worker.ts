import { startWorker, type WorkerHandle } from "@corenet/core/platform";
import { workerSource } from "./worker-source.ts";

/**
 * A worker for kernels, where the runtime has any.
 *
 * @param onFailure - told when it fails or cannot be started after all
 */
export function startKernelWorker(onFailure: (reason: string) => void): WorkerHandle | undefined {
  const fail = (reason: unknown) => onFailure(`a worker failed: ${reason}`);
  return startWorker({
    source: workerSource,
    name: "corenet-wasm",
    onMessage: (message) => fail((message as { error: string }).error),
    onFailure: fail,
  });
}
