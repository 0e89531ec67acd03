import {
  checkShape,
  readData,
  type Tensor,
  type TensorTree,
  tensor,
  treeFromEntries,
  zipTrees,
} from "@corenet/tensor";

/**
 * The plain mean of several models of one architecture, such as the last checkpoints of a run: summed in double
 * precision and rounded once. Reads one parameter of every model at a time.
 *
 * @returns a new float32 tree
 * @throws RangeError when there are no trees or they differ in structure; ShapeError when two leaves differ in shape
 */
export async function averageTrees<P extends TensorTree>(trees: readonly P[]): Promise<P> {
  const groups: [path: string, leaves: readonly Tensor[]][] = [];
  zipTrees<Tensor, null>(trees, (leaves, path) => {
    const [first] = leaves;
    for (const leaf of leaves)
      checkShape(`averageTrees: ${path}`, leaf, first?.shape ?? [], "Average one model.");
    groups.push([path, leaves]);
    return null;
  });

  const means = new Map<string, Tensor>();
  try {
    for (const [path, leaves] of groups) means.set(path, await meanOf(leaves));
  } catch (error) {
    for (const mean of means.values()) mean.dispose();
    throw error;
  }
  return treeFromEntries<Tensor, Tensor>(trees[0] as P, means) as P;
}

async function meanOf(leaves: readonly Tensor[]): Promise<Tensor> {
  const [first] = leaves as readonly [Tensor];
  const total = new Float64Array(first.size);
  for (const leaf of leaves) {
    const values = await readData(leaf);
    for (let i = 0; i < total.length; i++) total[i] = (total[i] as number) + (values[i] as number);
  }
  const mean = Float32Array.from(total, (sum) => sum / leaves.length);
  return tensor(mean, first.shape);
}
