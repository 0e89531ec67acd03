export interface WorkerOptions {
  /** The program, a classic script: text, so that no bundler has to find it and no minifier can break it. */
  source: string;
  /** A file with the same program, for pages whose policy forbids blob: workers. Only browsers use it. */
  url?: string | URL | undefined;
  name: string;
  onMessage?: ((data: unknown) => void) | undefined;
  /** Told why, once, when it fails, ends, or cannot be started after all. */
  onFailure: (reason: string) => void;
}

export interface WorkerHandle {
  send(message: object, transfer?: readonly ArrayBuffer[]): void;
  /** Ends it, whatever it is doing. Resolves when it is gone; `onFailure` is not told. */
  terminate(): Promise<void>;
}

/**
 * Starts a worker of the runtime at hand: worker_threads in Node, a Worker of a URL or a blob elsewhere. It does not
 * keep a Node process alive.
 *
 * In Node the program finds its port as `process.getBuiltinModule("node:worker_threads").parentPort`, elsewhere as `self`.
 *
 * @returns undefined where the runtime, or its content security policy, has none. Some browsers tell so only through
 *   `onFailure`: let the program send a message when it starts
 */
export function startWorker({ source, url, name, ...told }: WorkerOptions): WorkerHandle | undefined {
  let ended = false;
  const onMessage = (data: unknown) => {
    if (!ended) told.onMessage?.(data);
  };
  const onFailure = (reason: string) => {
    if (!ended) told.onFailure(reason);
    ended = true;
  };

  const threads = globalThis.process?.getBuiltinModule?.("node:worker_threads");
  if (threads) {
    const worker = new threads.Worker(source, { eval: true, execArgv: [], name });
    worker.on("message", onMessage);
    worker.on("error", (error) => onFailure(error instanceof Error ? error.message : String(error)));
    worker.on("exit", (code) => onFailure(`it ended with exit code ${code}`));
    worker.unref();
    return {
      send: (message, transfer = []) => worker.postMessage(message, [...transfer]),
      async terminate() {
        ended = true;
        await worker.terminate();
      },
    };
  }

  if (typeof Worker === "undefined") return undefined;
  const address = url ?? URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  try {
    const worker = new Worker(address, { name });
    worker.onerror = (event) => onFailure(event.message || "it could not be started");
    worker.onmessage = ({ data }) => onMessage(data);
    return {
      send: (message, transfer = []) => worker.postMessage(message, [...transfer]),
      async terminate() {
        ended = true;
        worker.terminate();
      },
    };
  } catch {
    return undefined; // a policy that forbids it
  } finally {
    if (!url) URL.revokeObjectURL(String(address));
  }
}
