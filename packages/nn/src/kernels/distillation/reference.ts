import {
  add,
  cast,
  concat,
  greater,
  logSumExp,
  mul,
  notEqual,
  oneHot,
  reshape,
  softmax,
  sub,
  sum,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  where,
} from "@corenet/tensor";
import type { DistillationAttrs, DistillationGradInputs, DistillationInputs } from "./op.ts";

/** α T² KL(p ‖ q) + (1 − α) · −log softmax(student)[target], with p and q the softmax of teacher / T and student / T. */
export function distillationReference(
  [student, targets, teacher, ids]: DistillationInputs,
  { ignoreIndex, temperature: T, alpha }: DistillationAttrs,
): [Tensor1D, Tensor2D] {
  const [s, t] = [mul(student, 1 / T), mul(teacher, 1 / T)]; // [N, V], [N, K]
  const [plain, soft, taught] = [logSumExp(student), logSumExp(s), logSumExp(t)]; // [N]
  const p = softmax(t); // [N, K]
  const ownEntropy = sum(where(greater(p, 0), mul(p, t), 0), { axis: -1 }); // Σ p t / T; t may be −∞ where p is 0
  const cross = sum(mul(spread(p, ids, student), s), { axis: -1 }); // Σ p s / T
  const divergence = add(sub(sub(ownEntropy, taught), cross), soft); // [N]
  const target = where(greater(targetMask(student, targets, ignoreIndex), 0), student, 0);
  const nll = sub(plain, sum(target, { axis: -1 }));
  const both = add(mul(divergence, alpha * T * T), mul(nll, 1 - alpha));
  const columns = [plain, soft, taught].map((x) => reshape(x, [-1, 1]));
  return [
    where(notEqual(targets, ignoreIndex), both, 0) as Tensor1D,
    concat(columns, { axis: 1 }) as Tensor2D,
  ];
}

/** α T (q − p) + (1 − α) (softmax(student) − onehot(target)). */
export function distillationGradReference(
  [, dLosses, student, targets, teacher, ids]: DistillationGradInputs,
  { ignoreIndex, temperature: T, alpha }: DistillationAttrs,
): [Tensor2D] {
  const p = spread(softmax(mul(teacher, 1 / T)), ids, student); // [N, V]
  const pull = mul(sub(softmax(mul(student, 1 / T)), p), alpha * T);
  const hard = mul(sub(softmax(student), targetMask(student, targets, ignoreIndex)), 1 - alpha);
  const weight = mul(dLosses, cast(notEqual(targets, ignoreIndex), "float32")); // [N]
  return [mul(add(pull, hard), reshape(weight, [-1, 1])) as Tensor2D];
}

/** Probabilities at their places in the vocabulary: [N, K] to [N, V]. */
function spread(p: Tensor2D, ids: Tensor2D | undefined, student: Tensor2D): Tensor {
  if (!ids) return p;
  const [N, K] = p.shape;
  const places = oneHot(ids, student.shape[1]); // [N, K, V]
  return sum(mul(places, reshape(p, [N, K, 1])), { axis: 1 });
}

/** 1 at each row's target [N, V]. Ignored rows get whatever row 0 of the vocabulary is: their weight is 0. */
function targetMask(student: Tensor2D, targets: Tensor1D, ignoreIndex: number): Tensor {
  return oneHot(mul(targets, cast(notEqual(targets, ignoreIndex), "int32")), student.shape[1]);
}
