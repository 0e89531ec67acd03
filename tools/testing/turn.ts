import type { WasmOptions } from "@corenet/backend-wasm";

/** How the suites run in this process or page. `npm test` runs them all, and then some once more with less. */
export interface TestTurn {
  /** The backends whose suites run. @default all */
  readonly backends?: readonly string[];
  /** What wasm starts with, wherever it is started. @default what it takes by itself */
  readonly wasm?: WasmOptions;
  /** The engine has no SIMD: what asks for wasm has to end on cpu. @default false */
  readonly noSimd?: boolean;
}

/** Where `npm test` puts a turn, as JSON, for the tests of a process. */
export const TURN_VARIABLE = "CORENET_TEST_TURN";

/** The flag that takes SIMD from V8 on x64, whose WebAssembly SIMD stands on SSE 4.1. Other processors have none. */
export const NO_SIMD = "--no-enable-sse4-1";

/** The turn at hand: a page's own, else that of the process, else all suites as they are. */
export function currentTurn(): TestTurn {
  const { corenetTestTurn } = globalThis as { corenetTestTurn?: TestTurn };
  if (corenetTestTurn) return corenetTestTurn;
  const text = globalThis.process?.env[TURN_VARIABLE];
  return text ? JSON.parse(text) : {};
}
