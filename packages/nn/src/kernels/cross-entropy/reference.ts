import {
  add,
  cast,
  exp,
  greater,
  logSumExp,
  mean,
  mul,
  notEqual,
  oneHot,
  reshape,
  square,
  sub,
  sum,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  where,
} from "@corenet/tensor";
import type { CrossEntropyAttrs, CrossEntropyGradInputs, CrossEntropyInputs } from "./op.ts";

/** −log p(target) = logsumexp − logit of the target. */
export function crossEntropyReference(
  [logits, targets]: CrossEntropyInputs,
  { ignoreIndex, labelSmoothing, zLoss }: CrossEntropyAttrs,
): [Tensor1D, Tensor1D] {
  const lse = logSumExp(logits) as Tensor1D; // [N]
  const isTarget = greater(targetMask(logits, targets, ignoreIndex), 0);
  const picked = sum(where(isTarget, logits, 0), { axis: -1 }); // [N]; no product: a logit may be −∞
  const average = labelSmoothing > 0 ? mean(logits, { axis: -1 }) : picked; // [N]
  const nll = sub(lse, add(mul(picked, 1 - labelSmoothing), mul(average, labelSmoothing)));
  const losses = where(notEqual(targets, ignoreIndex), add(nll, mul(square(lse), zLoss)), 0);
  return [losses as Tensor1D, lse];
}

/** d loss / d logits = softmax · (1 + 2 z · logsumexp) − (1 − ε) · onehot(target) − ε / V. */
export function crossEntropyGradReference(
  [logits, targets, lse, dLosses]: CrossEntropyGradInputs,
  { ignoreIndex, labelSmoothing, zLoss }: CrossEntropyAttrs,
): [Tensor2D] {
  const [, V] = logits.shape;
  const column = (x: Tensor) => reshape(x, [-1, 1]); // [N, 1]
  const p = exp(sub(logits, column(lse))); // [N, V]
  const pulled = mul(p, column(add(mul(lse, 2 * zLoss), 1)));
  const wanted = add(mul(targetMask(logits, targets, ignoreIndex), 1 - labelSmoothing), labelSmoothing / V);
  const weight = column(mul(dLosses, counted(targets, ignoreIndex))); // [N, 1]
  return [mul(sub(pulled, wanted), weight) as Tensor2D];
}

/** 1 at each row's target [N, V]. Ignored rows get whatever row 0 of the vocabulary is: their weight is 0. */
function targetMask(logits: Tensor2D, targets: Tensor1D, ignoreIndex: number): Tensor {
  const ids = mul(targets, cast(notEqual(targets, ignoreIndex), "int32"));
  return oneHot(ids, logits.shape[1]);
}

function counted(targets: Tensor1D, ignoreIndex: number): Tensor {
  return cast(notEqual(targets, ignoreIndex), "float32"); // [N]
}
