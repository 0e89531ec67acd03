import { checkDType, checkShape } from "./check.ts";
import { zerosLike } from "./ops/create.ts";
import { type Backward, differentiate, type Recording, record } from "./tape.ts";
import { mapTree, type TensorTree, treeEntries } from "./tree.ts";
import type { Scalar, Tensor } from "./types.ts";

export interface ValueAndGrad<P> {
  readonly value: Scalar;
  /** A tree like the parameters. */
  readonly grads: P;
}

/**
 * The value of `loss(params)` and its gradient with respect to every float32 tensor of the tree.
 *
 * @param loss - built from this package's ops; must return a scalar
 * @returns both new; a parameter that does not reach the loss gets zeros
 * @throws ShapeError when the loss is no scalar
 * @throws TypeError for second derivatives
 */
export function valueAndGrad<P extends TensorTree>(loss: (params: P) => Tensor, params: P): ValueAndGrad<P> {
  const entries = [...treeEntries<Tensor>(params)];
  for (const [path, leaf] of entries) checkDType(`valueAndGrad: ${path || "params"}`, leaf, "float32");
  const variables = entries.map(([, leaf]) => leaf);
  const { value, gradients } = differentiate(() => {
    const result = loss(params);
    checkShape("valueAndGrad: the loss", result, [], "Reduce it with mean or sum.");
    checkDType("valueAndGrad: the loss", result, "float32");
    return result;
  }, variables);
  const byPath = new Map(entries.map(([path], i) => [path, gradients[i] ?? null]));
  const grads = mapTree(params, (leaf, path) => byPath.get(path) ?? zerosLike(leaf));
  return { value: value as Scalar, grads };
}

/**
 * An op with a gradient of your own, for what the ops of this package do not express.
 *
 * @param name - for error messages
 * @param inputs - the tensors that gradients flow to
 * @param forward - computes the result; nothing in it is recorded
 * @param gradient - given what to save, returns the way back: gradients of `inputs`, in their order
 */
export function customGradient<T extends Tensor>(
  name: string,
  inputs: readonly Tensor[],
  forward: () => T,
  gradient: (recording: Recording, result: T) => (dy: Tensor) => ReturnType<Backward>,
): T {
  return record(name, inputs, forward, (recording, result) => {
    const back = gradient(recording, result);
    return ([dy]) => (dy ? back(dy) : []);
  });
}
