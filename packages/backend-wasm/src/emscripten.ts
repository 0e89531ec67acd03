// Starts TensorFlow.js's compiled C++ without TensorFlow.js's own loader: no file lookup, no hanging promise, no
// handlers left behind in the host process, and nothing on the console.
import { BackendError } from "@corenet/core";
import { declareShared } from "./shared-memory.ts";

/** What we use of the module that Emscripten makes. */
export interface EmscriptenModule {
  readonly asm: Record<string, unknown>;
  HEAPU8: Uint8Array;
  _malloc(bytes: number): number;
  _free(address: number): void;
  cwrap(name: string, result: string | null, args: string[] | null): (...args: number[]) => number;
  tfjs: object;
}

type Factory = (options: object) => Promise<EmscriptenModule>;
type ProcessLike = {
  listeners(event: string): unknown[];
  removeListener(event: string, listener: unknown): void;
};

const processEvents = ["uncaughtException", "unhandledRejection"] as const;

/**
 * @param binary - TensorFlow.js's file, as published
 * @param options - `shared` asks for a heap that threads can see; where there is none to be had, it is not shared
 * @throws BackendError when the bytes do not compile or link
 */
export async function startEmscripten(
  binary: Uint8Array<ArrayBuffer>,
  { shared }: { shared: boolean },
): Promise<EmscriptenModule> {
  const factory = await loadFactory();
  const restore = watchProcessHandlers();
  try {
    const module = shared
      ? await link(factory, declareShared(binary.slice(), true)).catch(() => link(factory, binary))
      : await link(factory, binary);
    const noResult = null;
    module.tfjs = {
      init: module.cwrap("init", noResult, []),
      initWithThreadsCount: module.cwrap("init_with_threads_count", noResult, ["number"]),
      getThreadsCount: module.cwrap("get_threads_count", "number", []),
      registerTensor: module.cwrap("register_tensor", noResult, ["number", "number", "number"]),
      disposeData: module.cwrap("dispose_data", noResult, ["number"]),
      dispose: module.cwrap("dispose", noResult, []),
    };
    return module;
  } catch (cause) {
    if (cause instanceof BackendError) throw cause;
    throw new BackendError(
      `wasm: the WebAssembly file does not start here (${cause instanceof Error ? cause.message : String(cause)}). ` +
        "Use the file of tfjs-backend-wasm 4.22.0; a page with a content security policy must allow script-src " +
        "'wasm-unsafe-eval'. Or use cpu().",
      { cause },
    );
  } finally {
    restore();
  }
}

/** Emscripten's glue. */
export async function loadFactory(): Promise<Factory> {
  const imported: { default?: unknown } = await import(
    "@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm.js"
  );
  return (imported.default ?? (imported as unknown)) as Factory;
}

function link(factory: Factory, binary: Uint8Array<ArrayBuffer>): Promise<EmscriptenModule> {
  return new Promise((resolve, reject) => {
    const options = {
      print: () => {},
      // The C++ side prints where it fails, and goes on with garbage in the result.
      printErr: (line: string) => {
        throw new BackendError(`wasm: a kernel failed: ${line}`);
      },
      onAbort: (reason: unknown) => reject(new BackendError(`wasm: the module stopped: ${String(reason)}`)),
      instantiateWasm(imports: WebAssembly.Imports, receive: (instance: WebAssembly.Instance) => void) {
        WebAssembly.instantiate(binary, imports)
          .then(({ instance }) => receive(instance)) // throws where the exports are not TensorFlow.js's
          .catch(reject);
        return {};
      },
    };
    factory(options).then(resolve, reject);
  });
}

/** Emscripten makes every unhandled rejection of the host app fatal; this takes its handlers away again. */
function watchProcessHandlers(): () => void {
  const host = (globalThis as { process?: Partial<ProcessLike> }).process;
  if (!host?.listeners || !host.removeListener) return () => {};
  const process = host as ProcessLike;
  const before = processEvents.map((event) => new Set(process.listeners(event)));
  return () => {
    processEvents.forEach((event, i) => {
      for (const listener of process.listeners(event)) {
        if (!before[i]?.has(listener)) process.removeListener(event, listener);
      }
    });
  };
}
