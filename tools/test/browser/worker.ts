// Bundled for the browser: runs one test file in a worker, told by its page.
import type { Task } from "./page.ts";
import { runFile } from "./suite.ts";

self.onmessage = async ({ data }: MessageEvent<Task>) => {
  Object.assign(globalThis, { corenetTestTurn: data.turn });
  self.postMessage(await runFile(data.file));
};
