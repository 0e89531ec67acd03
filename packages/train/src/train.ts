import { throwIfAborted, yieldToEventLoop } from "@corenet/core";
import { loadKernels, type TensorTree } from "@corenet/tensor";
import { checkTrainOptions, type TrainOptions, type TrainResult } from "./train-options.ts";
import { TrainingRun } from "./training-run.ts";

/**
 * Trains parameters by AdamW. With a checkpoint folder it goes on from the newest checkpoint there, and the result is
 * the same to the bit as without the interruption, given that `loss` and `batches` depend on nothing that is not saved.
 * Other work of the process gets its turn between steps.
 *
 * @returns new parameters, the caller's; on a throw everything is freed
 * @throws the abort's reason, after a last checkpoint
 * @throws NonFiniteError when loss, gradient or parameters are not finite; no checkpoint is written then
 * @throws CheckpointError when the newest checkpoint is of another model, or none of them can be read
 * @throws IoError when a checkpoint cannot be written; the earlier ones are still there
 * @throws RangeError when an option is out of range, or the checkpoint is beyond `steps`
 */
export async function train<P extends TensorTree, B>(options: TrainOptions<P, B>): Promise<TrainResult<P>> {
  checkTrainOptions(options);
  const { steps, signal, onAbort = "throw", onProgress } = options;
  throwIfAborted(signal);
  await loadKernels();

  const run = await TrainingRun.start(options);
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
