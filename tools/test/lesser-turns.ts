import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { TestTurn } from "../testing/turn.ts";
import { root } from "./outcome.ts";

/** The suites of kernels once more, on less than this machine has. */
export interface LesserTurn extends TestTurn {
  readonly name: string;
  /** Test files to run, by their paths. */
  readonly only: RegExp;
}

/** On cpu the long suites take minutes: those of whole models run there once, with SIMD. The one left out needs wasm. */
const short = /^packages\/(tensor|nn|train)\/(?!src\/device-loss)|^packages\/openelm\/test\/cache\./;
const kernels = /^packages\/(tensor|nn|train|backend-wasm|openelm|lfsr-seed)\//;

export const threadsOff: LesserTurn = {
  name: "threads off",
  only: kernels,
  backends: ["wasm"],
  wasm: { threads: 1 },
};

export const relaxedSimdOff: LesserTurn = {
  name: "relaxed SIMD off",
  only: kernels,
  backends: ["wasm"],
  wasm: { relaxedSimd: false },
};

/** `useBackend(wasm(), cpu())` ends on cpu, and all of it works there. */
export const simdOff: LesserTurn = { name: "SIMD off", only: short, backends: ["cpu"], noSimd: true };

/** Whether the engine here can be without SIMD: V8 has a flag for it on x64 alone. */
export const canLackSimd = process.arch === "x64";

/** The test files of a turn that run suites on backends, as paths in the repository. */
export function filesOf({ only, backends }: LesserTurn, filters: readonly string[]): string[] {
  const onThese = new RegExp(`\\bonEveryBackend\\(|\\bonBackend\\("(${backends?.join("|")})"|-suite\\.ts"`);
  return globSync("packages/*/{src,test}/**/*.test.ts", { cwd: root })
    .filter((file) => only.test(file) && !file.endsWith(".browser.test.ts"))
    .filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter)))
    .filter((file) => onThese.test(readFileSync(join(root, file), "utf8")))
    .sort();
}
