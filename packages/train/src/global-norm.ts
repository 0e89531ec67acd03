import {
  add,
  checkDType,
  div,
  mapTree,
  minimum,
  mul,
  reshape,
  type Scalar,
  scalar,
  type Tensor,
  type TensorTree,
  tidy,
  treeEntries,
} from "@corenet/tensor";
import { l2Norms } from "./kernels/l2-norms/op.ts";

/**
 * √Σx² over all elements of all tensors of a tree; 0 for an empty one. Does not overflow on the way.
 *
 * @throws TypeError when a leaf is not float32
 */
export function globalNorm(tree: TensorTree): Scalar {
  const leaves: Tensor[] = [];
  for (const [path, leaf] of treeEntries<Tensor>(tree)) {
    checkDType(`globalNorm: ${path || "the tree"}`, leaf, "float32");
    leaves.push(leaf);
  }
  return tidy(() => {
    const [norms] = l2Norms(leaves, {});
    const [norm] = l2Norms([norms], {});
    return reshape(norm, []) as Scalar;
  });
}

/**
 * min(1, maxNorm / (norm + 1e-6)), as PyTorch clips.
 *
 * @see Pascanu et al. 2013, arXiv:1211.5063, algorithm 1
 */
export function clipFactor(norm: number, maxNorm: number): number {
  checkMaxNorm("clipFactor", maxNorm);
  return Math.min(1, maxNorm / (norm + 1e-6));
}

/**
 * A tree scaled down to a global norm of at most `maxNorm`, and the norm before. All on the device.
 *
 * @throws RangeError unless `maxNorm` is a positive number
 */
export function clipByGlobalNorm<P extends TensorTree>(tree: P, maxNorm: number): { tree: P; norm: Scalar } {
  checkMaxNorm("clipByGlobalNorm", maxNorm);
  const norm = globalNorm(tree);
  const factor = tidy(() => minimum(div(scalar(maxNorm), add(norm, 1e-6)), 1));
  try {
    return { tree: mapTree(tree, (leaf) => mul(leaf, factor)), norm };
  } catch (error) {
    norm.dispose();
    throw error;
  } finally {
    factor.dispose();
  }
}

function checkMaxNorm(who: string, maxNorm: number): void {
  if (maxNorm > 0) return;
  throw new RangeError(
    `${who}: maxNorm is ${maxNorm}, expected a number > 0. Leave clipping out to not clip.`,
  );
}
