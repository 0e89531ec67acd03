// What train-step.bench.ts runs in processes of their own: train-step-process.ts THREADS WORKLOAD
import { wasm } from "@corenet/backend-wasm";
import { useBackend } from "@corenet/tensor";
import { serveRuns } from "../../../tools/bench/runner.ts";
import { Training, WORKLOADS, type WorkloadName } from "./training.ts";

const [, , threads, workload] = process.argv;
await useBackend(wasm({ threads: Number(threads) }));
const training = await Training.start(WORKLOADS[workload as WorkloadName]);
serveRuns(() => training.step());
