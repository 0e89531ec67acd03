// An app: in the page, and in a worker of its own.
import { decodePixels } from "./decode.mjs";
import { trainAndGenerate } from "./train-and-generate.mjs";

function inWorker() {
  const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = ({ message }) => reject(new Error(`the worker failed: ${message}`));
    worker.postMessage("start");
  });
}

/** tools/test/apps.ts waits for it. */
globalThis.result = trainAndGenerate().then(async (page) => ({
  page,
  worker: await inWorker(),
  pixels: await decodePixels(),
}));
