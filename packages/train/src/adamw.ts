import {
  checkDType,
  checkShape,
  clone,
  disposeTree,
  mapTree,
  type Tensor,
  type TensorTree,
  treeEntries,
  zerosLike,
  zipTrees,
} from "@corenet/tensor";
import { adamwUpdate } from "./kernels/adamw-update/op.ts";
import { type ParamGroup, ruleOf } from "./param-groups.ts";

export interface AdamwOptions {
  /** Decay of the mean of the gradients, in [0, 1). @default 0.9 */
  beta1?: number;
  /** Decay of the mean of their squares, in [0, 1). @default 0.95 */
  beta2?: number;
  /** Added outside the root. @default 1e-8 */
  eps?: number;
  /** Decoupled: w shrinks by learningRate · weightDecay. On parameters of rank 2 and more. @default 0.1 */
  weightDecay?: number;
  /** Exceptions: other decays, other learning rates, frozen parameters. */
  groups?: readonly ParamGroup[];
}

export interface AdamwStepOptions extends AdamwOptions {
  learningRate: number;
  /** Multiplies every gradient: for clipping, and for the mean of accumulated ones. @default 1 */
  gradScale?: number;
}

/** Moments by the path of their parameter; frozen parameters have none. */
export interface AdamwState {
  /** Updates made so far. */
  readonly step: number;
  /** Running means of the gradients. */
  readonly m: Readonly<Record<string, Tensor>>;
  /** Running means of their squares. */
  readonly v: Readonly<Record<string, Tensor>>;
}

export interface AdamwResult<P> {
  readonly params: P;
  readonly state: AdamwState;
}

/** Moments of zero for every parameter that is not frozen. The caller's: free with `disposeAdamwState`. */
export function createAdamwState(params: TensorTree, options: AdamwOptions = {}): AdamwState {
  const { groups = [], weightDecay = 0.1 } = options;
  const trained: [string, Tensor][] = [];
  for (const [path, leaf] of treeEntries<Tensor>(params)) {
    if (ruleOf(path, leaf, groups, weightDecay).learningRateScale === 0) continue;
    checkDType(`createAdamwState: ${path || "params"}`, leaf, "float32");
    trained.push([path, leaf]);
  }
  const leaves = Object.fromEntries(trained);
  return { step: 0, ...mapTree({ m: leaves, v: leaves }, (leaf) => zerosLike(leaf)) };
}

export function disposeAdamwState({ m, v }: AdamwState): void {
  disposeTree(m);
  disposeTree(v);
}

/**
 * One update of AdamW. With g the scaled gradient, η the learning rate and t = state.step + 1:
 * m ← β₁m + (1 − β₁)g;  v ← β₂v + (1 − β₂)g²;  w ← w(1 − η·decay) − η · m/(1 − β₁ᵗ) / (√(v/(1 − β₂ᵗ)) + ε).
 *
 * @param grads - a tree like `params`
 * @returns new trees: the caller frees the old ones, or calls `takeAdamwStep` instead
 * @throws RangeError when an option is out of range or a parameter has no moments
 * @throws ShapeError when a gradient or a moment does not fit its parameter
 * @see Loshchilov and Hutter 2019, arXiv:1711.05101, algorithm 2
 */
export function adamw<P extends TensorTree>(
  params: P,
  grads: P,
  state: AdamwState,
  options: AdamwStepOptions,
): AdamwResult<P> {
  return update("adamw", params, grads, state, options, () => {});
}

/**
 * As `adamw`, but takes over `params`, `grads` and `state`: frees each tensor as soon as its successor is there, so
 * that one parameter, not one model, is held twice. After a throw all of them are freed.
 */
export function takeAdamwStep<P extends TensorTree>(
  params: P,
  grads: P,
  state: AdamwState,
  options: AdamwStepOptions,
): AdamwResult<P> {
  const disposeAll = () => {
    disposeTree(params);
    disposeTree(grads);
    disposeAdamwState(state);
  };
  const result = (() => {
    try {
      return update("takeAdamwStep", params, grads, state, options, (used) => {
        for (const tensor of used) tensor.dispose();
      });
    } catch (error) {
      disposeAll();
      throw error;
    }
  })();
  disposeAll(); // what is left: moments of parameters that are frozen now
  return result;
}

/** @param done - called with the tensors that are not read any more */
function update<P extends TensorTree>(
  who: string,
  params: P,
  grads: P,
  state: AdamwState,
  options: AdamwStepOptions,
  done: (used: readonly Tensor[]) => void,
): AdamwResult<P> {
  const { learningRate, gradScale = 1, beta1 = 0.9, beta2 = 0.95, eps = 1e-8, groups = [] } = options;
  const { weightDecay = 0.1 } = options;
  checkOptions(who, { learningRate, gradScale, beta1, beta2, eps, weightDecay });
  const step = state.step + 1;
  const corrections = { correction1: 1 - beta1 ** step, correction2: 1 - beta2 ** step };

  const m: [string, Tensor][] = [];
  const v: [string, Tensor][] = [];
  try {
    const next = zipTrees([params, grads], ([w, grad], path) => {
      if (!w || !grad) throw new RangeError(`${who}: ${path} is missing.`);
      const rule = ruleOf(path, w, groups, weightDecay);
      if (rule.learningRateScale === 0) {
        const same = clone(w);
        done([w, grad]);
        return same;
      }
      const [mean, meanSquare] = momentsOf(who, path, state);
      checkInputs(who, path, w, grad, mean, meanSquare);
      const [newW, newMean, newMeanSquare] = adamwUpdate([w, grad, mean, meanSquare], {
        ...corrections,
        learningRate: learningRate * rule.learningRateScale,
        weightDecay: rule.weightDecay,
        beta1,
        beta2,
        eps,
        gradScale,
      });
      m.push([path, newMean]);
      v.push([path, newMeanSquare]);
      done([w, grad, mean, meanSquare]);
      return newW;
    });
    return { params: next, state: { step, m: Object.fromEntries(m), v: Object.fromEntries(v) } };
  } catch (error) {
    for (const [, tensor] of [...m, ...v]) tensor.dispose();
    throw error;
  }
}

function momentsOf(who: string, path: string, state: AdamwState): [Tensor, Tensor] {
  const [mean, meanSquare] = [state.m[path], state.v[path]];
  if (mean && meanSquare) return [mean, meanSquare];
  throw new RangeError(
    `${who}: the state has no moments of ${path || "params"}, expected them for every parameter that is not frozen. ` +
      "Make the state with createAdamwState from the same parameters and groups.",
  );
}

function checkInputs(who: string, path: string, w: Tensor, ...others: Tensor[]): void {
  checkDType(`${who}: ${path || "params"}`, w, "float32");
  for (const [i, tensor] of others.entries()) {
    const name = `${who}: ${["the gradient", "the first moment", "the second moment"][i]} of ${path || "params"}`;
    checkDType(name, tensor, "float32");
    checkShape(name, tensor, w.shape, "It must fit its parameter.");
  }
}

function checkOptions(who: string, options: Required<Omit<AdamwStepOptions, "groups">>): void {
  for (const [name, value] of Object.entries(options)) {
    const below = name.startsWith("beta") ? 1 : Infinity;
    if (value >= 0 && value < below) continue;
    throw new RangeError(`${who}: ${name} is ${value}, expected a number in [0, ${below}).`);
  }
}
