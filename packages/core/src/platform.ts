// `@corenet/core/platform`: what packages with workers or WebAssembly need of Node and browsers alike.
export { fromBase64 } from "./base64.ts";
export { startWorker, type WorkerHandle, type WorkerOptions } from "./start-worker.ts";
