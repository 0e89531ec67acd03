#!/usr/bin/env node
import { createRequire } from "node:module";
import { defineCommand } from "citty";
import { chatCommand } from "./commands/chat.ts";
import { compressCommand } from "./commands/compress.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { exportCommand } from "./commands/export.ts";
import { finetuneCommand } from "./commands/finetune.ts";
import { generateCommand } from "./commands/generate.ts";
import { infoCommand } from "./commands/info.ts";
import { planBatchesCommand } from "./commands/plan-batches.ts";
import { quantizeCommand } from "./commands/quantize.ts";
import { runProgram } from "./commands/run-program.ts";
import { scoreCommand } from "./commands/score.ts";
import { trainCommand } from "./commands/train.ts";

const { version } = createRequire(import.meta.url)("../package.json");
const subCommands = {
  train: trainCommand({ name: "corenet train", defaultOut: "out" }),
  generate: generateCommand,
  chat: chatCommand,
  score: scoreCommand,
  finetune: finetuneCommand,
  quantize: quantizeCommand,
  compress: compressCommand,
  export: exportCommand,
  info: infoCommand,
  "plan-batches": planBatchesCommand,
  doctor: doctorCommand,
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
