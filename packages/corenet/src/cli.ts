#!/usr/bin/env node
import { createRequire } from "node:module";
import { defineCommand } from "citty";
import { generateCommand } from "./commands/generate.ts";
import { planBatchesCommand } from "./commands/plan-batches.ts";
import { runProgram } from "./commands/run-program.ts";
import { trainCommand } from "./commands/train.ts";

const { version } = createRequire(import.meta.url)("../package.json");
const subCommands = {
  train: trainCommand({ name: "corenet train", defaultOut: "out" }),
  generate: generateCommand,
  "plan-batches": planBatchesCommand,
};
const command = defineCommand({
  meta: {
    name: "corenet",
    version,
    description: "Small language models, trained and run on your own machine.",
  },
  subCommands,
});
process.exitCode = await runProgram(
  { name: "corenet", command, subCommands, version },
  process.argv.slice(2),
);
