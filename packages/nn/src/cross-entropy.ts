import {
  cast,
  checkDType,
  checkIds,
  checkShape,
  div,
  notEqual,
  reshape,
  type Scalar,
  sum,
  type Tensor,
  tidy,
} from "@corenet/tensor";
import { crossEntropyOp } from "./kernels/cross-entropy/op.ts";

export interface CrossEntropyOptions {
  /** Targets of this id are not predicted and count for nothing. @default -100 */
  ignoreIndex?: number;
  /** ε: the target gets 1 − ε and the whole vocabulary shares ε. In [0, 1). @default 0 */
  labelSmoothing?: number;
  /** Weight of the squared log of the softmax's sum, which keeps logits small. @default 0 */
  zLoss?: number;
}

/**
 * The mean negative log-likelihood of the targets, in nats a token:
 * `(1 − ε) · nll + ε · mean over the vocabulary of −log p + zLoss · logsumexp²`.
 *
 * Where targets cannot be read at once, on a GPU, the mean is NaN for a batch in which every target is ignored.
 *
 * @param logits - [..., V]
 * @param targets - int32 [...], each in [0, V) or ignoreIndex
 * @throws ShapeError when there is not one target for each row of logits
 * @throws RangeError naming the first target outside the vocabulary, or when every target is ignored
 * @see Chowdhery et al. 2022, arXiv:2204.02311, sec. 5 (the z-loss)
 */
export function crossEntropy(logits: Tensor, targets: Tensor, options: CrossEntropyOptions = {}): Scalar {
  const { ignoreIndex = -100, labelSmoothing = 0, zLoss = 0 } = options;
  checkDType("crossEntropy: logits", logits, "float32");
  checkDType("crossEntropy: targets", targets, "int32");
  checkShape(
    "crossEntropy: targets",
    targets,
    logits.shape.slice(0, -1),
    "Give one target for each row of logits.",
  );
  if (!(labelSmoothing >= 0 && labelSmoothing < 1)) {
    throw new RangeError(
      `crossEntropy: labelSmoothing is ${labelSmoothing}, expected [0, 1). Use 0 for none.`,
    );
  }
  const V = logits.shape.at(-1) as number;
  if (checkIds("crossEntropy: targets", targets, V, { ignore: ignoreIndex }) === 0) {
    throw new RangeError(
      `crossEntropy: every target is ${ignoreIndex}, which is ignored, expected at least one to predict. Leave such batches out.`,
    );
  }
  return tidy(() => {
    const rows = reshape(logits, [targets.size, V]);
    const ids = reshape(targets, [targets.size]);
    const [losses] = crossEntropyOp([rows, ids], { ignoreIndex, labelSmoothing, zLoss });
    const count = sum(cast(notEqual(ids, ignoreIndex), "float32"));
    return div(sum(losses), count) as Scalar;
  });
}
