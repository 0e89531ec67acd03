// `npm start`: trains on the docs and sources of this repository, into its folder `out`, and compresses what it trained.
import { relative, resolve } from "node:path";
import { runProgram } from "./commands/run-program.ts";
import { trainCommand } from "./commands/train.ts";

const root = resolve(import.meta.dirname, "../../..");
const defaultOut = relative(process.cwd(), resolve(root, "out"));
const command = trainCommand({
  ...{ name: "npm start --", defaultText: { repository: root }, defaultOut },
  compressTo: [4, 3],
});
process.exitCode = await runProgram(
  { name: "npm start --", command, version: "of this repository" },
  process.argv.slice(2),
);
