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
  readonly sample: Sample;
  /** Bytes of the saved weights. */
  readonly fileBytes: number;
  /** The same model compressed; empty where that was not asked for. */
  readonly compressed: readonly CompressedResult[];
  readonly curve: RunCurve;
}

export interface Sample {
  readonly prompt: string;
  readonly text: string;
}

/** A compressed model beside the one that it was made of. */
export interface CompressedResult {
  /** Of a weight in a matrix of the blocks; embeddings and gains stay as they are. */
  readonly bits: 3 | 4;
  /** Bytes of its weights. */
  readonly fileBytes: number;
  /** On the same held-out text. */
  readonly bitsPerByte: number;
  readonly sample: Sample;
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
