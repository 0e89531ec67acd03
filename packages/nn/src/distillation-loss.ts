import {
  cast,
  checkDType,
  checkIds,
  checkShape,
  div,
  isTensor,
  notEqual,
  reshape,
  type Scalar,
  sum,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  tidy,
} from "@corenet/tensor";
import { distillationOp } from "./kernels/distillation/op.ts";

/** The largest logits of each place, and whose they are; both [..., K]. The rest of the vocabulary counts for nothing. */
export interface TopLogits {
  readonly logits: Tensor;
  /** int32, each in [0, V), none twice in a place. */
  readonly ids: Tensor;
}

export interface DistillationOptions {
  /** Divides the logits of both: above 1 the teacher's second choices count for more. @default 2 */
  temperature?: number;
  /** α: the share of the teacher, in (0, 1]; the targets have the rest. @default 0.5 */
  alpha?: number;
  /** Places with this target count for nothing. @default -100 */
  ignoreIndex?: number;
}

/**
 * How far a student is from its teacher and from the targets, a mean over the places that have a target, in nats:
 * `α T² KL(softmax(teacher / T) ‖ softmax(student / T)) + (1 − α) · −log softmax(student)[target]`. The factor T² keeps the
 * two parts' gradients in proportion when T changes. One pass computes both; of the size of the logits only their
 * gradient is made anew. No gradient reaches the teacher.
 *
 * @param student - logits [..., V]
 * @param teacher - logits [..., V], or the largest of them, whose softmax is then over these alone
 * @param targets - int32 [...], each in [0, V) or ignoreIndex
 * @throws ShapeError when the teacher's vocabulary or places are not the student's
 * @throws RangeError when a number is out of range, or every target is ignored
 * @see Hinton, Vinyals and Dean 2015, arXiv:1503.02531, sec. 2
 */
export function distillationLoss(
  student: Tensor,
  teacher: Tensor | TopLogits,
  targets: Tensor,
  options: DistillationOptions = {},
): Scalar {
  const { temperature = 2, alpha = 0.5, ignoreIndex = -100 } = options;
  checkDType("distillationLoss: student", student, "float32");
  checkDType("distillationLoss: targets", targets, "int32");
  const V = student.shape.at(-1) as number;
  const places = student.shape.slice(0, -1);
  checkShape("distillationLoss: targets", targets, places, "Give one target for each row of logits.");
  if (!(temperature > 0 && temperature < Infinity)) {
    throw new RangeError(
      `distillationLoss: temperature is ${temperature}, expected a positive number. Use 1 to compare as they are.`,
    );
  }
  if (!(alpha > 0 && alpha <= 1)) {
    throw new RangeError(
      `distillationLoss: alpha is ${alpha}, expected (0, 1]. Without a teacher's share use crossEntropy.`,
    );
  }
  const { logits, ids } = isTensor(teacher) ? { logits: teacher, ids: undefined } : teacher;
  const K = ids ? (logits.shape.at(-1) as number) : V;
  checkDType("distillationLoss: teacher", logits, "float32");
  checkShape(
    "distillationLoss: teacher",
    logits,
    [...places, K],
    "Teacher and student must share a vocabulary, and read the same tokens.",
  );
  if (ids) {
    checkShape("distillationLoss: the teacher's ids", ids, [...places, K], "Give one id for each logit.");
    checkIds("distillationLoss: the teacher's ids", ids, V);
  }
  if (checkIds("distillationLoss: targets", targets, V, { ignore: ignoreIndex }) === 0) {
    throw new RangeError(
      `distillationLoss: every target is ${ignoreIndex}, which is ignored, expected at least one to predict. Leave such batches out.`,
    );
  }
  return tidy(() => {
    const rows = (x: Tensor, width: number) => reshape(x, [targets.size, width]) as Tensor2D;
    const wanted = reshape(targets, [targets.size]) as Tensor1D;
    const [losses] = distillationOp(
      [rows(student, V), wanted, rows(logits, K), ...(ids ? ([rows(ids, K)] as [Tensor2D]) : ([] as []))],
      { temperature, alpha, ignoreIndex },
    );
    return div(sum(losses), sum(cast(notEqual(wanted, ignoreIndex), "float32"))) as Scalar;
  });
}
