import { Rng } from "@corenet/core";
import { type OpenElm, openElmConfig } from "@corenet/openelm";
import type { StepEvent } from "@corenet/train";
import { bitsPerByte } from "../text/bits-per-byte.ts";
import { pickEvenly } from "../text/pick-evenly.ts";
import type { TextSplit } from "../text/split-text.ts";
import { createModel } from "./create-model.ts";
import type { OnRunEvent } from "./events.ts";
import type { RunResult } from "./result.ts";
import type { RunPaths } from "./run-folder.ts";
import { RunLog } from "./run-log.ts";
import type { RunSettings } from "./settings.ts";
import { trainOnText } from "./train-on-text.ts";
import { longestKnown } from "./window-scales.ts";

export interface TrainToEndOptions {
  /** Most time between two checkpoints. @default 10 */
  checkpointSeconds?: number | undefined;
  signal?: AbortSignal | undefined;
  onEvent?: OnRunEvent | undefined;
}

export interface TrainedRun {
  /** The caller's. */
  readonly model: OpenElm;
  readonly facts: Pick<RunResult, "seconds" | "tokensPerSecond" | "curve">;
}

const heldOutPoints = 10;
const glimpseBytes = 512; // of each of eight blocks
const speedPoints = 100;
const shownLossSteps = 10;

/** Trains as the settings say, from the newest checkpoint of the run, with a look at the held-out text now and then. */
export async function trainToEnd(
  paths: RunPaths,
  settings: RunSettings,
  { training, heldOut }: TextSplit,
  { checkpointSeconds = 10, signal, onEvent }: TrainToEndOptions,
): Promise<TrainedRun> {
  const { steps } = settings.training;
  const rng = new Rng(settings.seed);
  using start = await createModel(openElmConfig(settings.model), settings.training, rng.split("model"));
  const log = new RunLog();
  const glimpse = pickEvenly(heldOut, 8).map((block) => block.subarray(0, glimpseBytes));
  const recentLosses: number[] = [];

  const onStep = async ({
    step,
    loss,
    ms,
    tokens,
    params,
  }: StepEvent<Parameters<OpenElm["withParams"]>[0]>) => {
    const done = step + 1;
    log.noteStep(tokens === undefined ? { ms } : { ms, tokens });
    if (isDue(done, steps, speedPoints)) log.noteSpeed(done);
    if (isDue(done, steps, heldOutPoints)) {
      const model = start.withParams(params); // borrowed like them: not disposed
      const window = longestKnown(step, settings.training); // longer ones it has not learned yet
      log.noteHeldOut(done, await bitsPerByte(model, glimpse, { window }));
    }
    recentLosses.push(toBits(loss));
    if (recentLosses.length > shownLossSteps) recentLosses.shift();
    const { tokensPerSecond, stepMs } = log.speedNow;
    const bits = recentLosses.reduce((sum, one) => sum + one, 0) / recentLosses.length;
    onEvent?.({
      type: "step",
      step: done,
      steps,
      bitsPerByte: bits,
      tokensPerSecond,
      etaMs: stepMs * (steps - done),
    });
  };

  let isFirstReport = true;
  const { params, history } = await trainOnText(start, training, {
    training: settings.training,
    rng,
    signal,
    checkpoint: {
      folder: paths.checkpoints,
      everySeconds: checkpointSeconds,
      extra: log,
      onSkip: ({ file, error }) =>
        onEvent?.({ type: "skip", message: `${file} was passed over: ${error.message}` }),
    },
    onProgress: ({ done }) => {
      if (isFirstReport) onEvent?.({ type: "step", step: done, steps });
      isFirstReport = false;
    },
    onStep,
  });
  const curve = {
    loss: history.map(({ loss }) => toBits(loss)),
    learningRate: history.map(({ learningRate }) => learningRate),
    ...log.curve,
  };
  const model = start.withParams(params);
  return { model, facts: { seconds: log.seconds, tokensPerSecond: log.tokensPerSecond, curve } };
}

/** Whether one of `points` evenly spread steps was just done. */
function isDue(done: number, steps: number, points: number): boolean {
  return Math.floor((done * points) / steps) > Math.floor(((done - 1) * points) / steps);
}

function toBits(nats: number): number {
  return nats / Math.LN2;
}
