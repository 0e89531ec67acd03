import { abortable, NonFiniteError, Rng } from "@corenet/core";
import {
  clone,
  concat,
  disposeTree,
  mapTree,
  reshape,
  type Tensor,
  type TensorTree,
  takeData,
  tidy,
  treeEntries,
  treeFromEntries,
  treeLeaves,
  valueAndGrad,
} from "@corenet/tensor";
import { type AdamwState, createAdamwState, disposeAdamwState, takeAdamwStep } from "./adamw.ts";
import {
  type Checkpoint,
  latestCheckpoint,
  listCheckpoints,
  type StepRecord,
  saveCheckpoint,
  storeOf,
  type TensorRecord,
} from "./checkpoint.ts";
import type { CheckpointStore } from "./checkpoint-store.ts";
import { ema } from "./ema.ts";
import { clipFactor } from "./global-norm.ts";
import { l2Norms } from "./kernels/l2-norms/op.ts";
import { ruleOf } from "./param-groups.ts";
import { folderTarget, isDue, type SaveTarget, snapshotTarget } from "./save-targets.ts";
import type { TrainOptions, TrainResult } from "./train-options.ts";
import { addTrees } from "./tree-arithmetic.ts";

/** What changes from step to step. Owns its tensors. */
interface RunState {
  /** The parameters that are not frozen, by path. */
  params: TensorRecord;
  optimizer: AdamwState;
  ema: TensorRecord | undefined;
  history: StepRecord[];
  rng: Rng;
}

/** Copies of a run in memory, and how often one is made. */
export interface Snapshots {
  readonly store: CheckpointStore;
  readonly everySteps: number;
}

/** A training in progress: between two calls it stands after a whole number of steps. Dispose it. */
export class TrainingRun<P extends TensorTree, B> {
  readonly #options: TrainOptions<P, B>;
  readonly #state: RunState;
  /** The position after the last finished step, as text: a source may change the object it gave. */
  #position: string;
  #extra: string;
  readonly #targets: readonly SaveTarget[];
  /** The step at which the parameters were last seen to be finite. */
  #checkedStep: number | null;

  private constructor(options: TrainOptions<P, B>, state: RunState, targets: readonly SaveTarget[]) {
    this.#options = options;
    this.#state = state;
    this.#targets = targets;
    this.#checkedStep = targets.some(({ savedStep }) => savedStep === state.optimizer.step)
      ? state.optimizer.step
      : null;
    this.#position = "null";
    this.#extra = "null";
    this.#notePosition();
  }

  /**
   * From the newest checkpoint, or from the given parameters; then these are the first checkpoint.
   *
   * @param snapshots - where copies of the run are kept beside the folder
   */
  static async start<P extends TensorTree, B>(
    options: TrainOptions<P, B>,
    snapshots?: Snapshots,
  ): Promise<TrainingRun<P, B>> {
    const targets = [
      ...(snapshots ? [snapshotTarget(snapshots.store, snapshots.everySteps)] : []),
      ...(options.checkpoint ? [folderTarget(options.checkpoint)] : []),
    ];
    const trainable = trainableOf(options);
    const newest = await newestTarget(targets);
    const saved = newest ? await resumed(options, trainable, newest.store) : undefined;
    const state = saved ?? freshState(options, trainable);
    if (newest && saved) newest.savedStep = state.optimizer.step;
    try {
      const run = new TrainingRun(options, state, targets);
      if (!saved) await run.#saveTo(targets); // a folder that cannot be written is found now, not after an hour
      return run;
    } catch (error) {
      disposeState(state);
      throw error;
    }
  }

  /** Updates made. */
  get step(): number {
    return this.#state.optimizer.step;
  }

  /** One update. A throw before the update leaves everything as it was. */
  async advance(): Promise<void> {
    const { schedule, accumulate = 1, clip, optimizer, onStep } = this.#options;
    const state = this.#state;
    const { step } = this;
    const startMs = performance.now();
    const learningRate = schedule(step);

    const { lossSum, grads, tokens } = await this.#gradients(step);
    let record: StepRecord;
    try {
      const [sum = Number.NaN, ...norms] = await readWithNorms(lossSum, grads);
      const loss = sum / accumulate;
      await this.#checkFinite(step, loss, grads, norms);
      const gradNorm = Math.hypot(...norms) / accumulate;
      record = { step, loss, gradNorm, learningRate };
      const gradScale = (clip === undefined ? 1 : clipFactor(gradNorm, clip)) / accumulate;
      const next = takeAdamwStep(state.params, grads, state.optimizer, {
        ...optimizer,
        learningRate,
        gradScale,
      });
      state.params = next.params;
      state.optimizer = next.state;
    } finally {
      disposeTree(grads); // after the update it is freed already
    }
    this.#updateAverage();
    state.history.push(record);
    this.#notePosition();

    const ms = performance.now() - startMs;
    await onStep?.({ ...record, ...(tokens === undefined ? {} : { tokens }), ms, params: this.#tree() });
    const due = this.#targets.filter((target) => isDue(target, this.step));
    if (due.length > 0) await this.#saveTo(due);
  }

  /** Writes a checkpoint, unless this step has one or there is no folder. */
  async save(): Promise<void> {
    await this.#saveTo(
      this.#targets.filter(({ wantsEnd, savedStep }) => wantsEnd && savedStep !== this.step),
    );
  }

  async #saveTo(targets: readonly SaveTarget[]): Promise<void> {
    const { schedule } = this.#options;
    const { params, optimizer, ema: average, history, rng } = this.#state;
    if (this.#checkedStep !== this.step) await this.#checkParams();
    this.#checkedStep = this.step;
    const content: Checkpoint = {
      params,
      optimizer,
      ema: average,
      history,
      rng: rng.save(),
      batches: JSON.parse(this.#position),
      schedule: { ...schedule.settings },
      extra: JSON.parse(this.#extra),
    };
    for (const target of targets) {
      const { store, keep } = target;
      target.savedStep = this.step; // whatever comes of it, the end does not try again
      await saveCheckpoint(store, content, keep === undefined ? {} : { keep });
      target.savedMs = performance.now();
    }
  }

  /** The parameters, and the average, as trees of the caller's own. */
  result(): TrainResult<P> {
    const { ema: average, history } = this.#state;
    const own = (tree: P): P => mapTree(tree, (leaf) => clone(leaf));
    const params = own(this.#tree());
    const averaged = average ? { ema: own(this.#tree(average)) } : {};
    return { params, ...averaged, step: this.step, history: [...history] };
  }

  dispose(): void {
    disposeState(this.#state);
  }

  /** A tree like the caller's, its leaves borrowed: trained ones from `trained`, frozen ones the caller's. */
  #tree(trained: TensorRecord = this.#state.params): P {
    const leaves = new Map<string, Tensor>(treeEntries<Tensor>(this.#options.params));
    for (const [path, leaf] of Object.entries(trained)) leaves.set(path, leaf);
    return treeFromEntries<Tensor, Tensor>(this.#options.params, leaves) as P;
  }

  /** Sums over the batches of one step: of the loss, of the gradients, and of the tokens. */
  async #gradients(step: number): Promise<{ lossSum: Tensor; grads: TensorRecord; tokens?: number }> {
    const { accumulate = 1, countTokens, loss } = this.#options;
    const { params, rng } = this.#state;
    const tree = this.#tree();
    const stepRng = rng.split(step);
    let sum: { loss: Tensor; grads: TensorRecord } | null = null;
    let tokens = 0;
    try {
      for (let i = 0; i < accumulate; i++) {
        const batch = await this.#nextBatch(step);
        try {
          tokens += countTokens?.(batch) ?? 0;
          const context = { step, rng: stepRng.split(i) };
          const { value, grads } = valueAndGrad(() => loss(tree, batch, context), params);
          sum = sum ? addAndFree(sum, { loss: value, grads }) : { loss: value, grads };
        } finally {
          disposeAll(batch);
        }
      }
    } catch (error) {
      if (sum) disposeTree(sum);
      throw error;
    }
    const { loss: lossSum, grads } = sum as { loss: Tensor; grads: TensorRecord };
    return { lossSum, grads, ...(countTokens ? { tokens } : {}) };
  }

  async #nextBatch(step: number): Promise<B> {
    const { batches, signal } = this.#options;
    const coming = Promise.resolve(batches.next());
    try {
      const batch = await abortable(coming, signal);
      if (batch !== undefined && batch !== null) return batch;
    } catch (error) {
      coming.then(disposeAll, () => {}); // comes too late
      throw error;
    }
    throw new RangeError(
      `train: batches.next() gave no batch at step ${step}, expected one. Make the source endless, or lower steps.`,
    );
  }

  #updateAverage(): void {
    const state = this.#state;
    if (!this.#options.ema || !state.ema) return;
    const next = ema(state.ema, state.params, this.#options.ema.decay);
    disposeTree(state.ema);
    state.ema = next;
  }

  #notePosition(): void {
    const { checkpoint, batches } = this.#options;
    if (this.#targets.length === 0) return;
    this.#position = JSON.stringify(batches.save()) ?? "null";
    this.#extra = JSON.stringify(checkpoint?.extra?.save()) ?? "null";
  }

  async #checkFinite(
    step: number,
    loss: number,
    grads: TensorRecord,
    norms: readonly number[],
  ): Promise<void> {
    const index = norms.findIndex((norm) => !Number.isFinite(norm));
    if (index < 0 && Number.isFinite(loss)) return;
    const { params } = this.#state;
    const inGradients = Object.keys(grads)[index];
    const parameter = inGradients ?? (await firstNonFinite(params));
    const place =
      inGradients === undefined ? "" : `the gradient of ${inGradients || "params"} is not finite, `;
    throw nonFinite(
      `train: ${place}the loss is ${loss} at step ${step}, expected finite numbers. This step was not made, and the ` +
        "checkpoints are untouched. Lower the learning rate, clip the gradients, or look at the batch.",
      step,
      parameter,
    );
  }

  async #checkParams(): Promise<void> {
    const parameter = await firstNonFinite(this.#state.params);
    if (parameter === undefined) return;
    const { step } = this;
    const when = step === 0 ? "at the start" : `after step ${step - 1}`;
    throw nonFinite(
      `train: ${parameter || "params"} is not finite ${when}, expected finite numbers. No checkpoint was written. ` +
        "Look at where it came from, or lower the learning rate and go back to the last checkpoint.",
      Math.max(0, step - 1),
      parameter,
    );
  }
}

/** The parameters that are not frozen, by path; borrowed. */
export function trainableOf<P extends TensorTree, B>({
  params,
  optimizer = {},
}: TrainOptions<P, B>): TensorRecord {
  const { groups = [], weightDecay = 0.1 } = optimizer;
  const pathOf = new Map<number, string>();
  const trainable: [string, Tensor][] = [];
  for (const [path, leaf] of treeEntries<Tensor>(params)) {
    if (ruleOf(path, leaf, groups, weightDecay).learningRateScale === 0) continue;
    const other = pathOf.get(leaf.id);
    if (other !== undefined) {
      throw new TypeError(
        `train: ${other} and ${path} are one tensor, expected one place for each: they would part at the first step. ` +
          "Leave one out, and let the loss use the other twice.",
      );
    }
    pathOf.set(leaf.id, path);
    trainable.push([path, leaf]);
  }
  if (trainable.length > 0) return Object.fromEntries(trainable);
  throw new RangeError("train: no parameter is to be trained, expected at least one that is not frozen.");
}

function freshState<P extends TensorTree, B>(options: TrainOptions<P, B>, trainable: TensorRecord): RunState {
  const own = (): TensorRecord => mapTree(trainable, (leaf) => clone(leaf));
  return {
    optimizer: createAdamwState(trainable, options.optimizer), // also checks the dtypes
    params: own(),
    ema: options.ema ? own() : undefined,
    history: [],
    rng: Rng.restore((options.rng ?? new Rng(0)).save()), // a copy: what the caller draws later is no matter
  };
}

/** The one with the newest checkpoint; of equals the first. */
async function newestTarget(targets: readonly SaveTarget[]): Promise<SaveTarget | undefined> {
  let newest: { target: SaveTarget; step: number } | undefined;
  for (const target of targets) {
    const step = (await listCheckpoints(target.store)).at(-1)?.step;
    if (step !== undefined && !(newest && newest.step >= step)) newest = { target, step };
  }
  return newest?.target;
}

/** The state of the newest checkpoint, with the batches and the caller's own set back to it. */
async function resumed<P extends TensorTree, B>(
  options: TrainOptions<P, B>,
  trainable: TensorRecord,
  store: string | CheckpointStore,
): Promise<RunState | undefined> {
  const { checkpoint: where, batches, steps, signal } = options;
  const shapes = Object.fromEntries(Object.entries(trainable).map(([path, leaf]) => [path, leaf.shape]));
  const found = await latestCheckpoint(store, {
    expected: { params: shapes, ema: options.ema !== undefined },
    onSkip: where?.onSkip,
    signal,
  });
  if (!found) return undefined;
  // In the caller's order: it is the order in which norms are added up.
  const ordered = (record: TensorRecord): TensorRecord =>
    Object.fromEntries(Object.keys(trainable).map((path) => [path, record[path] as Tensor]));
  const { step, m, v } = found.optimizer;
  const state: RunState = {
    params: ordered(found.params),
    optimizer: { step, m: ordered(m), v: ordered(v) },
    ema: found.ema && ordered(found.ema),
    history: [...found.history],
    rng: Rng.restore(found.rng),
  };
  try {
    if (step > steps) {
      throw new RangeError(
        `train: the newest checkpoint in ${storeOf(store).name} is at step ${step}, expected at most steps, ` +
          `${steps}. Raise steps, or use another folder.`,
      );
    }
    batches.restore(found.batches);
    where?.extra?.restore(found.extra);
    return state;
  } catch (error) {
    disposeState(state);
    throw error;
  }
}

function disposeState({ params, optimizer, ema: average }: RunState): void {
  disposeTree(params);
  disposeAdamwState(optimizer);
  if (average) disposeTree(average);
}

function addAndFree(
  a: { loss: Tensor; grads: TensorRecord },
  b: { loss: Tensor; grads: TensorRecord },
): { loss: Tensor; grads: TensorRecord } {
  try {
    return addTrees(a, b);
  } finally {
    disposeTree(a);
    disposeTree(b);
  }
}

/** The scalar, and the norm of each tensor, in one read. Frees the scalar. */
async function readWithNorms(scalar: Tensor, tensors: TensorRecord): Promise<number[]> {
  try {
    const all = tidy(() => concat([reshape(scalar, [1]), ...l2Norms(Object.values(tensors), {})]));
    return Array.from(await takeData(all));
  } finally {
    scalar.dispose();
  }
}

async function firstNonFinite(tensors: TensorRecord): Promise<string | undefined> {
  const [norms] = l2Norms(Object.values(tensors), {});
  const index = (await takeData(norms)).findIndex((norm) => !Number.isFinite(norm));
  return Object.keys(tensors)[index];
}

function nonFinite(message: string, step: number, parameter: string | undefined): NonFiniteError {
  return new NonFiniteError(message, parameter === undefined ? { step } : { step, parameter });
}

/** Frees the tensors of a batch, whatever else is in it. */
function disposeAll(batch: unknown): void {
  for (const leaf of treeLeaves<unknown>(batch)) {
    if (typeof leaf !== "object" || leaf === null || !("dispose" in leaf)) continue;
    if (typeof leaf.dispose === "function") leaf.dispose();
  }
}
