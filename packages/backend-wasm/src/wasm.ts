import { BackendError } from "@corenet/core";
import type { Backend, RunningBackend, WasmModuleSource } from "@corenet/tensor";
import { relaxedSimd as hasRelaxedSimd, simd } from "wasm-feature-detect";
import { type BinarySource, loadBinary } from "./binary.ts";
import { type EmscriptenModule, loadFactory, startEmscripten } from "./emscripten.ts";
import { createHost } from "./host.ts";
import { replaceStockKernels } from "./kernels/index.ts";
import { createTfjsBackend, loadTfjsKernels, removeTfjsBackend } from "./tfjs.ts";

export interface WasmOptions {
  /**
   * The WebAssembly file of TensorFlow.js (tfjs-backend-wasm-simd.wasm, 4.22.0), for apps that serve it as a file of
   * its own: a URL or its bytes. @default the copy inside this package
   */
  binary?: BinarySource;
  /**
   * The script of the threads (`@corenet/backend-wasm/worker.js`), for pages whose content security policy forbids
   * workers from blobs: a URL of this page's origin. Only browsers use it. @default a blob
   */
  worker?: string | URL;
  /**
   * Threads for large ops, the calling one included. In a browser more than one needs cross-origin isolation. Results
   * do not depend on it. @default the processor's cores, at most 8
   */
  threads?: number;
  /**
   * Whether kernels may use relaxed SIMD, where the runtime has it: faster, and its fused multiply-adds round as the
   * processor does. Without it every machine computes the same bits. @default true
   */
  relaxedSimd?: boolean;
}

const kernelModule: WasmModuleSource = {
  relaxed: () => import("./generated/kernels-relaxed.ts"),
  simd: () => import("./generated/kernels-simd.ts"),
};

let started: Promise<RunningBackend> | null = null;

/**
 * WebAssembly SIMD and threads: the fast backend of every machine without a GPU. A realm has one heap, so a second
 * start gives the first again, unless that was disposed.
 *
 * @throws BackendError at the start, when the machine has no SIMD, or a file cannot be had, compiled or started
 */
export function wasm(options: WasmOptions = {}): Backend {
  return {
    name: "wasm",
    start() {
      started ??= start(options).catch((error: unknown) => {
        started = null; // a failed start may be tried again
        throw error;
      });
      return started;
    },
  };
}

async function start(options: WasmOptions): Promise<RunningBackend> {
  const { binary, worker, threads = defaultThreads(), relaxedSimd = true } = options;
  if (!(Number.isInteger(threads) && threads >= 1 && threads <= 64)) {
    throw new RangeError(`wasm: threads is ${threads}, expected an integer from 1 to 64.`);
  }
  if (typeof WebAssembly === "undefined") {
    throw new BackendError(
      "wasm: this runtime has no WebAssembly. Use cpu(), or turn it on: some browsers have a mode without it.",
    );
  }
  if (!(await simd())) {
    throw new BackendError(
      "wasm: this runtime has no WebAssembly SIMD, which Chrome 91, Firefox 89, Safari 16.4 and Node 16 have. " +
        "Update it, or use cpu().",
    );
  }
  const shared = threads > 1 && canShareMemory();
  const relaxed = relaxedSimd && (await hasRelaxedSimd());
  const module: EmscriptenModule = await startEmscripten(await loadFiles(binary, relaxed), { shared });
  const backend = await createTfjsBackend(module);
  const { host, dispose } = await createHost(module, backend, { threads, relaxed, workerUrl: worker });
  replaceStockKernels(host, host.instantiate(await host.compile(kernelModule)), backend);
  let over = false;
  return {
    name: "wasm",
    readsAtOnce: true,
    wasm: host,
    dispose() {
      if (over) return;
      over = true;
      started = null; // the next start makes a heap of its own
      dispose();
      removeTfjsBackend(backend);
    },
  };
}

/** The bytes of `binary`, with all else that a start reads: asked for together, a page waits for one answer, not for four. */
async function loadFiles(
  binary: BinarySource | undefined,
  relaxed: boolean,
): Promise<Uint8Array<ArrayBuffer>> {
  const ourKernels = relaxed ? kernelModule.relaxed() : kernelModule.simd();
  const [bytes] = await Promise.all([loadBinary(binary), loadFactory(), loadTfjsKernels(), ourKernels]);
  return bytes;
}

function defaultThreads(): number {
  return Math.max(1, Math.min(8, globalThis.navigator?.hardwareConcurrency ?? 1));
}

/** Browsers share memory between threads only in pages that are isolated from other origins. */
function canShareMemory(): boolean {
  const isolated = (globalThis as { crossOriginIsolated?: boolean }).crossOriginIsolated;
  return typeof SharedArrayBuffer !== "undefined" && isolated !== false;
}
