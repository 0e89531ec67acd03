import {
  activeBackend,
  clone,
  disposeTree,
  mapTree,
  mul,
  readData,
  sum,
  type Tensor,
  type TensorTree,
  takeData,
  tensor,
  treeEntries,
  valueAndGrad,
} from "@corenet/tensor";

export interface GradientOptions {
  /** The step; a power of two loses no bits. @default 2⁻⁶ */
  h?: number;
  /** How far a gradient may be off, as a share of the largest one or of 1. @default 1e-3 */
  atol?: number;
  /** Elements of each parameter to try, spread evenly; a sixth of them where each try waits for a GPU. @default 24 */
  elements?: number;
}

/**
 * Compares the gradient that `valueAndGrad` gives with central differences of fourth order. `f` may return any
 * float32 tensor: its elements are summed with fixed unequal weights, in doubles, so that no gradient cancels.
 * Keep the parameters further than 2h from kinks.
 */
export async function expectGradient<P extends TensorTree>(
  f: (params: P) => Tensor,
  params: P,
  options: GradientOptions = {},
): Promise<void> {
  const { h = 2 ** -6, atol = 1e-3 } = options;
  const elements = Math.ceil((options.elements ?? 24) / (activeBackend().readsAtOnce ? 1 : 6));
  const weightsOf = (size: number) =>
    Float32Array.from({ length: size }, (_, i) => 1 + 0.5 * Math.sin(i * 2.4 + 1));
  const { value, grads } = valueAndGrad((p: P) => {
    const y = f(p);
    return sum(mul(y, tensor(weightsOf(y.size), y.shape)));
  }, params);
  value.dispose();

  /** The weighted sum, with one element of one leaf replaced. */
  const evaluate = async (path: string, values: Float32Array, i: number, x: number): Promise<number> => {
    const moved = values.slice();
    moved[i] = x;
    const inputs = mapTree(params, (leaf, at) => (at === path ? tensor(moved, leaf.shape) : clone(leaf)));
    const y = f(inputs);
    const weights = weightsOf(y.size);
    const out = await takeData(y);
    disposeTree(inputs);
    return out.reduce((total, element, k) => total + element * (weights[k] as number), 0);
  };

  const gradients = new Map(treeEntries<Tensor>(grads));
  for (const [path, leaf] of treeEntries<Tensor>(params)) {
    const values = await readData(leaf);
    const exact = await readData(gradients.get(path) as Tensor);
    const largest = exact.reduce((top, g) => Math.max(top, Math.abs(g)), 1);
    const stride = Math.max(1, Math.floor(values.length / elements));
    for (let i = 0; i < values.length; i += stride) {
      const x = values[i] as number;
      const at = async (steps: number) => evaluate(path, values, i, Math.fround(x + steps * h));
      const numeric = (8 * ((await at(1)) - (await at(-1))) - ((await at(2)) - (await at(-2)))) / (12 * h);
      if (Math.abs(numeric - (exact[i] as number)) <= atol * largest) continue;
      throw new Error(
        `expectGradient: ${path || "params"}[${i}] has gradient ${exact[i]}, expected ${numeric} by differences (h ${h}, atol ${atol}).`,
      );
    }
  }
  disposeTree(grads);
}
