// A process to be killed: trains the tiny run. Arguments: text, folder, steps.

import { useBackend, wasm } from "corenet";
import { trainTextModel } from "corenet/node";
import { tinyRun } from "./tiny-run.ts";

const [text = "", out = "", steps = ""] = process.argv.slice(2);
const controller = new AbortController();
process.once("SIGINT", () => controller.abort(new Error("told to stop")));

await useBackend(wasm());
try {
  await trainTextModel({
    ...{ ...tinyRun, text, out, steps: Number(steps), checkpointSeconds: 0.05, signal: controller.signal },
    onEvent: (event) => event.type === "step" && process.stdout.write(`${event.step}\n`),
  });
} catch (error) {
  if (!controller.signal.aborted) throw error;
  process.exitCode = 130;
}
