import { add, checkShape, mapTree, mul, type TensorTree, zipTrees } from "@corenet/tensor";

/**
 * a + b, leaf by leaf.
 *
 * @throws RangeError when the trees differ in structure; ShapeError when two leaves do
 */
export function addTrees<P extends TensorTree>(a: P, b: P): P {
  return zipTrees([a, b], ([left, right], path) => {
    if (!left || !right) throw new RangeError(`addTrees: ${path} is missing.`);
    checkShape(`addTrees: ${path || "b"}`, right, left.shape, "Add trees of one model.");
    return add(left, right);
  });
}

/** tree · factor, leaf by leaf. */
export function scaleTree<P extends TensorTree>(tree: P, factor: number): P {
  return mapTree(tree, (leaf) => mul(leaf, factor));
}
