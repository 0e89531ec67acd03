import { throwIfAborted, yieldToEventLoop } from "@corenet/core";
import { activeBackend, loadKernels, type TensorTree } from "@corenet/tensor";
import { listCheckpoints, storeOf } from "./checkpoint.ts";
import type { CheckpointStore } from "./checkpoint-store.ts";
import { type DeviceFailure, Evacuation, type Fallback, isDeviceFailure, restated } from "./fallback.ts";
import { memoryStore } from "./memory-store.ts";
import { checkTrainOptions, type TrainOptions, type TrainResult } from "./train-options.ts";
import { type Snapshots, TrainingRun, trainableOf } from "./training-run.ts";

/**
 * Trains parameters by AdamW. With a checkpoint folder it goes on from the newest checkpoint there, and the result is
 * the same to the bit as without the interruption, given that `loss` and `batches` depend on nothing that is not saved.
 * Other work of the process gets its turn between steps.
 *
 * @returns new parameters, the caller's; on a throw everything is freed
 * @throws the abort's reason, after a last checkpoint
 * @throws DeviceLostError or OutOfMemoryError when the device fails and no other is to take over; the checkpoint to go on
 *   from is named
 * @throws NonFiniteError when loss, gradient or parameters are not finite; no checkpoint is written then
 * @throws CheckpointError when the newest checkpoint is of another model, or none of them can be read
 * @throws IoError when a checkpoint cannot be written; the earlier ones are still there
 * @throws RangeError when an option is out of range, or the checkpoint is beyond `steps`
 */
export async function train<P extends TensorTree, B>(options: TrainOptions<P, B>): Promise<TrainResult<P>> {
  checkTrainOptions(options);
  throwIfAborted(options.signal);
  await loadKernels();
  const { onDeviceLost = "stop" } = options;
  if (onDeviceLost !== "stop") return await trainWithFallback(options, onDeviceLost);
  try {
    return await attempt(options);
  } catch (error) {
    throw isDeviceFailure(error) ? await advise(error, options) : error;
  }
}

async function trainWithFallback<P extends TensorTree, B>(
  options: TrainOptions<P, B>,
  fallback: Fallback,
): Promise<TrainResult<P>> {
  const { params, checkpoint } = options;
  const { snapshotEverySteps: everySteps = checkpoint ? undefined : 100 } = fallback;
  const snapshots = everySteps === undefined ? undefined : { store: memoryStore(), everySteps };
  const stores = [snapshots?.store, checkpoint?.folder].filter((store) => store !== undefined);
  const evacuation = await Evacuation.prepare(fallback, params, new Set(Object.keys(trainableOf(options))));
  try {
    for (let current = params; ; ) {
      try {
        return await attempt({ ...options, params: current }, snapshots);
      } catch (error) {
        if (!isDeviceFailure(error)) throw error;
        const steps = await Promise.all(stores.map(newestStep));
        if (steps.every((step) => step === undefined)) throw error; // it failed before its first copy was made
        current = await evacuation.leave(params, error);
      }
    }
  } finally {
    evacuation.dispose();
  }
}

/** Trains on the active backend, from the newest checkpoint on. */
async function attempt<P extends TensorTree, B>(
  options: TrainOptions<P, B>,
  snapshots?: Snapshots,
): Promise<TrainResult<P>> {
  const { steps, signal, onAbort = "throw", onProgress } = options;
  const run = await TrainingRun.start(options, snapshots);
  try {
    const [first, startMs] = [run.step, performance.now()];
    const report = () => {
      const etaMs = ((performance.now() - startMs) / (run.step - first)) * (steps - run.step);
      const estimate = run.step > first ? { etaMs } : {};
      onProgress?.({ phase: "train", done: run.step, total: steps, unit: "step", ...estimate });
    };
    report();
    try {
      while (run.step < steps) {
        throwIfAborted(signal);
        await run.advance();
        report();
        await yieldToEventLoop();
      }
    } catch (error) {
      if (isDeviceFailure(error)) {
        // What is not on a GPU is as it was after the last step, unless the update had no room: then it is freed.
        if (activeBackend().readsAtOnce) await run.save().catch(() => {});
        throw restated(error, `train: the device failed at step ${run.step}. ${error.message}`);
      }
      if (!signal?.aborted || error !== signal.reason) throw error;
      await run.save();
      if (onAbort === "throw") throw error;
      return run.result();
    }
    await run.save();
    return run.result();
  } finally {
    run.dispose();
  }
}

/** The failure, with how to go on. */
async function advise<P extends TensorTree, B>(
  error: DeviceFailure,
  { checkpoint }: TrainOptions<P, B>,
): Promise<DeviceFailure> {
  const advice = checkpoint
    ? `The newest checkpoint in ${storeOf(checkpoint.folder).name} is of step ${await newestStep(checkpoint.folder)}: ` +
      "call useBackend, and train again with this folder to go on from there."
    : "No checkpoint was written: pass checkpoint: { folder } to go on another time, or onDeviceLost: { fallBackTo } " +
      "to go on by itself.";
  return restated(error, `${error.message} ${advice}`);
}

/** Of the newest checkpoint. */
async function newestStep(store: string | CheckpointStore): Promise<number | undefined> {
  return (await listCheckpoints(store)).at(-1)?.step;
}
