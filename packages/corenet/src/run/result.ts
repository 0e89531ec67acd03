import type { CompressedBits } from "../text/compressed-bits.ts";
import type { WindowSaving } from "./window-saving.ts";

/** What came out of a run: `result.json`. */
export interface RunResult {
  readonly version: 2;
  /** In bits per byte of the same text. */
  readonly heldOut: CompressedBits & { readonly bytes: number; readonly model: number };
  /** Time of all steps, those before interruptions included. */
  readonly seconds: number;
  readonly tokensPerSecond: number;
  /** What the lengths of its windows saved. */
  readonly windows: WindowSaving;
  readonly sample: { readonly prompt: string; readonly text: string };
  readonly curve: RunCurve;
}

/** What changed from step to step. */
export interface RunCurve {
  /** Training loss of each step, in bits per byte. */
  readonly loss: readonly number[];
  readonly learningRate: readonly number[];
  /** Now and then, on a part of the held-out text. */
  readonly heldOut: readonly { readonly step: number; readonly bitsPerByte: number }[];
  readonly speed: readonly { readonly step: number; readonly tokensPerSecond: number }[];
}
