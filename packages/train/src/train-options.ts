import type { OnProgress, Rng } from "@corenet/core";
import type { Tensor, TensorTree } from "@corenet/tensor";
import type { AdamwOptions } from "./adamw.ts";
import type { SkippedCheckpoint, StepRecord } from "./checkpoint.ts";
import type { CheckpointStore } from "./checkpoint-store.ts";
import type { Fallback } from "./fallback.ts";
import type { BatchSource, Resumable } from "./resumable.ts";
import type { Schedule } from "./schedules.ts";

export interface LossContext {
  /** Counted from 0. */
  readonly step: number;
  /** A stream of its own for each step and each accumulated batch: the same again after a resume. */
  readonly rng: Rng;
}

export interface StepEvent<P> extends StepRecord {
  /** What `countTokens` said of the step's batches, added up. */
  readonly tokens?: number;
  /** Milliseconds that the step took, waiting for its batches included. */
  readonly ms: number;
  /** After the update. Borrowed: use it until `onStep` returns or resolves. */
  readonly params: P;
}

export interface CheckpointOptions {
  /** A path, in Node, or a store. Training goes on from the newest checkpoint in it. */
  folder: string | CheckpointStore;
  /** Writes one after every so many steps. */
  everySteps?: number;
  /** Writes one when the last is older than this. @default 300 where `everySteps` is not given */
  everySeconds?: number;
  /** How many of the newest are kept. @default 3 */
  keep?: number;
  /** Is told of checkpoints that are damaged, before an older one is taken. */
  onSkip?: (skipped: SkippedCheckpoint) => void;
  /** Something of the caller's that is saved and restored with the rest. */
  extra?: Resumable;
}

export interface TrainOptions<P extends TensorTree, B> {
  /** Where to start: float32, borrowed. Frozen parameters (see `ParamGroup`) may be of other dtypes. */
  params: P;
  /** The scalar to minimize, built from ops of @corenet/tensor, without `await`. */
  loss: (params: P, batch: B, context: LossContext) => Tensor;
  batches: BatchSource<B>;
  /** Settings of AdamW. */
  optimizer?: AdamwOptions;
  /** Learning rate by step. */
  schedule: Schedule;
  /** Updates in all, those before a resume included. */
  steps: number;
  /** Batches for each update; their gradients are averaged. @default 1 */
  accumulate?: number;
  /** Largest global norm of the gradients. @default not clipped */
  clip?: number;
  /** Keeps an exponential moving average of the parameters. @default none */
  ema?: { decay: number };
  checkpoint?: CheckpointOptions;
  /**
   * What a lost device does, or one without room: "stop" rejects with DeviceLostError or OutOfMemoryError, which names the
   * checkpoint to go on from; or the run goes on by itself, on another backend and from its last copy. @default "stop"
   */
  onDeviceLost?: "stop" | Fallback;
  /** @default new Rng(0) */
  rng?: Rng;
  /** When aborted, training writes a checkpoint where it has a folder, and stops. */
  signal?: AbortSignal;
  /** What an abort does then: reject with its reason, or return what there is. @default "throw" */
  onAbort?: "throw" | "return";
  onProgress?: OnProgress;
  /** Called after every update; awaited. */
  onStep?: (event: StepEvent<P>) => void | Promise<void>;
  /** For the `tokens` of `onStep`. */
  countTokens?: (batch: B) => number;
}

export interface TrainResult<P> {
  /** The caller's, frozen parameters included. */
  readonly params: P;
  /** The moving average, where one was asked for; the caller's. */
  readonly ema?: P;
  /** Updates made. */
  readonly step: number;
  readonly history: readonly StepRecord[];
}

/** @throws RangeError when a number is out of range */
export function checkTrainOptions<P extends TensorTree, B>(options: TrainOptions<P, B>): void {
  const { steps, accumulate = 1, clip = 1, ema, checkpoint } = options;
  const { everySteps = 1, everySeconds = 1, keep = 1 } = checkpoint ?? {};
  const { onDeviceLost = "stop" } = options;
  const whole = (least: number) => (value: number) => Number.isSafeInteger(value) && value >= least;
  check("steps", steps, whole(0), "an integer >= 0");
  check("accumulate", accumulate, whole(1), "an integer >= 1");
  check("clip", clip, (value) => value > 0, "a number > 0");
  check("ema.decay", ema?.decay ?? 0, (value) => value >= 0 && value <= 1, "a number in [0, 1]");
  check("checkpoint.everySteps", everySteps, whole(1), "an integer >= 1");
  check("checkpoint.everySeconds", everySeconds, (value) => value > 0, "a number > 0");
  check("checkpoint.keep", keep, whole(1), "an integer >= 1");
  if (onDeviceLost === "stop") return;
  const { fallBackTo, snapshotEverySteps = 1 } = onDeviceLost;
  check("the length of onDeviceLost.fallBackTo", fallBackTo.length, whole(1), "at least one backend");
  check("onDeviceLost.snapshotEverySteps", snapshotEverySteps, whole(1), "an integer >= 1");
}

function check(name: string, value: number, fits: (value: number) => boolean, wanted: string): void {
  if (!fits(value)) throw new RangeError(`train: ${name} is ${value}, expected ${wanted}.`);
}
