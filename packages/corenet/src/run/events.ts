import type { RunSettings, TextSettings } from "./settings.ts";

/** What happens in a run, in this order; steps and pieces of the sample many times. */
export type RunEvent =
  | { readonly type: "text"; readonly text: TextSettings }
  /** The time of a step is being measured. */
  | { readonly type: "calibrate" }
  | { readonly type: "plan"; readonly settings: RunSettings; readonly resumed: boolean }
  /** A damaged checkpoint was passed over. */
  | { readonly type: "skip"; readonly message: string }
  | ({ readonly type: "step" } & StepFacts)
  | { readonly type: "evaluate"; readonly bytes: number }
  | { readonly type: "compress"; readonly bits: number }
  | {
      readonly type: "compressed";
      readonly bits: number;
      readonly fileBytes: number;
      readonly bitsPerByte: number;
    }
  | { readonly type: "prompt"; readonly text: string }
  | { readonly type: "sample"; readonly text: string };

export interface StepFacts {
  /** Updates made. */
  readonly step: number;
  readonly steps: number;
  /** Of the batches just seen; undefined before the first. */
  readonly bitsPerByte?: number;
  readonly tokensPerSecond?: number;
  readonly etaMs?: number;
}

export type OnRunEvent = (event: RunEvent) => void;
