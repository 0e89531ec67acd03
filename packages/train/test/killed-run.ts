// A run to be killed from outside: node killed-run.ts <folder>. Prints a line a step.

import { wasm } from "@corenet/backend-wasm";
import { Rng } from "@corenet/core";
import { useBackend } from "@corenet/tensor";
import { currentTurn } from "../../../tools/testing/turn.ts";
import { constantSchedule, train } from "../src/index.ts";
import { toyBatches, toyLoss, toyParams } from "./toy.ts";

const [, , folder = "."] = process.argv;
await useBackend(wasm(currentTurn().wasm));
await train({
  params: toyParams(),
  loss: toyLoss,
  batches: toyBatches(),
  schedule: constantSchedule({ learningRate: 0.01 }),
  steps: 1_000_000,
  rng: new Rng("killed"),
  checkpoint: { folder, everySteps: 1 },
  onStep: ({ step }) => void process.stdout.write(`${step}\n`),
});
