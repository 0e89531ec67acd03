// What a training step takes of wasm's heap, for the test and for train-step.bench.ts. It is the same in every run.
import { Rng } from "@corenet/core";
import { crossEntropy, ropeTables } from "@corenet/nn";
import { createOpenElm, decoderLayer, type OpenElm } from "@corenet/openelm";
import {
  clone,
  customGradient,
  disposeTree,
  mapTree,
  ones,
  sum,
  type Tensor,
  type Tensor3D,
  type TensorTree,
  takeData,
  tensor,
  tidy,
  treeEntries,
  treeLeaves,
  valueAndGrad,
} from "@corenet/tensor";
import {
  clipFactor,
  createAdamwState,
  disposeAdamwState,
  globalNorm,
  matchPaths,
  takeAdamwStep,
} from "@corenet/train";
import { type HeapWatch, watchHeap } from "../../../tools/testing/watch-heap.ts";
import { CLIP_NORM, configOf, LEARNING_RATE, SEED, type TrainWorkload, Z_LOSS } from "./training.ts";

/** Bytes. */
export interface StepMemory {
  /** The weights that are trained, and the two moments of each. */
  readonly state: number;
  readonly gradients: number;
  /**
   * What is kept for the way back when the way forward is over; where layers are checkpointed, also the most that one of
   * them keeps while it is computed again.
   */
  readonly saved: number;
  /** The most during the step, beyond `state`: saved, gradients, and whatever is at work. */
  readonly peak: number;
}

/**
 * Of the second step of a training with AdamW, on wasm; the first makes the scratch memory that is kept.
 *
 * @param options - checkpointLayers: as of `OpenElm.forward`; frozen: as of `freeze`
 */
export async function stepMemory(
  workload: TrainWorkload,
  { checkpointLayers, frozen = [] }: { checkpointLayers: boolean; frozen?: readonly string[] },
): Promise<StepMemory> {
  const { batch, length, shape } = workload;
  using heap = watchHeap();
  const model = await createOpenElm(configOf(workload), { rng: new Rng(SEED) });
  const ofLayer = checkpointLayers
    ? Math.max(...model.params.layers.map((_, i) => savedByLayer(heap, model, i, workload)))
    : 0;
  const ids = Int32Array.from({ length: batch * length }, (_, i) => (i * 7) % shape.vocab);
  const tokens = tensor(ids, [batch, length]);
  const isFrozen = matchPaths("stepMemory", frozen, model.params);
  const leaves = [...treeEntries<Tensor>(model.params as object as TensorTree)];
  let params = Object.fromEntries(leaves.filter(([path]) => !isFrozen(path)));
  let state = createAdamwState(params);
  let memory: StepMemory | undefined;
  for (let step = 0; step < 2; step++) {
    const before = heap.bytes();
    heap.resetPeak();
    let saved = 0;
    const { value, grads } = valueAndGrad((p) => {
      const all = mapTree(model.params, (leaf: Tensor, path: string) => p[path] ?? leaf);
      const logits = model.withParams(all).forward(tokens, { checkpointLayers });
      const loss = crossEntropy(logits, tokens, { zLoss: Z_LOSS });
      return onTheWayBack(loss, () => {
        saved = heap.bytes() - before;
      });
    }, params);
    const [norm = Number.NaN] = await takeData(globalNorm(grads));
    const gradients = bytesOf(grads);
    const weights = bytesOf(params);
    const gradScale = clipFactor(norm, CLIP_NORM);
    ({ params, state } = takeAdamwStep(params, grads, state, { learningRate: LEARNING_RATE, gradScale }));
    value.dispose();
    memory = { state: 3 * weights, gradients, saved: saved + ofLayer, peak: heap.peak() - before };
  }
  disposeTree({ params, tokens });
  for (const [path, leaf] of leaves) if (isFrozen(path)) leaf.dispose();
  disposeAdamwState(state);
  return memory as StepMemory;
}

/** What decoder layer `index` keeps for its way back. */
function savedByLayer(heap: HeapWatch, model: OpenElm, index: number, workload: TrainWorkload): number {
  const { config } = model;
  const { batch, length } = workload;
  return tidy(() => {
    const x = ones([batch, length, config.modelDim]) as Tensor3D;
    const queries = ropeTables({ headDim: config.headDim, length, base: config.ropeBase });
    const before = heap.bytes();
    let saved = 0;
    valueAndGrad(
      ({ layer }) => {
        const y = decoderLayer(x, layer, config, { index, places: { queries } });
        return onTheWayBack(sum(y), () => {
          saved = heap.bytes() - before;
        });
      },
      { layer: model.params.layers[index] as never },
    );
    return saved;
  });
}

/** `loss`, and a look at the beginning of the way back, when only what it needs is left. */
function onTheWayBack(loss: Tensor, look: () => void): Tensor {
  return customGradient(
    "onTheWayBack",
    [loss],
    () => clone(loss),
    () => (dy) => {
      look();
      return [dy];
    },
  );
}

function bytesOf(tree: TensorTree): number {
  return treeLeaves<Tensor>(tree).reduce((bytes, { size }) => bytes + 4 * size, 0);
}
