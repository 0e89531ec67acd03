// What train-step.bench.ts runs in processes of their own: train-step-process.ts THREADS
import { wasm } from "@corenet/backend-wasm";
import { useBackend } from "@corenet/tensor";
import { serveRuns } from "../../../tools/bench/runner.ts";
import { Training } from "./training.ts";

await useBackend(wasm({ threads: Number(process.argv[2]) }));
const training = await Training.start();
serveRuns(() => training.step());
