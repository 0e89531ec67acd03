// Bundled for the browser: the page that runs a test file, itself or in a worker.
import type { TestTurn } from "../../testing/turn.ts";
import { type FileReport, runFile } from "./suite.ts";

export interface Task {
  /** Address of the bundled test file. */
  file: string;
  where: "page" | "worker";
  turn: TestTurn;
}

export async function runTask(task: Task): Promise<FileReport> {
  if (task.where === "worker") return runInWorker(task);
  Object.assign(globalThis, { corenetTestTurn: task.turn });
  return runFile(task.file);
}

function runInWorker(task: Task): Promise<FileReport> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = ({ message }) => reject(new Error(`the worker of ${task.file} failed: ${message}`));
    worker.postMessage(task);
  });
}
