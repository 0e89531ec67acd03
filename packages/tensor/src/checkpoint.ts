import { formatShape } from "./check.ts";
import type { PackedMatrix } from "./packed-matrix.ts";
import { isTensor } from "./raw.ts";
import { differentiate, record } from "./tape.ts";
import { mapTree, type ParamTree, treeLeaves } from "./tree.ts";
import type { Tensor } from "./types.ts";

/**
 * `compute(inputs)`, which keeps nothing for the gradient but `inputs`: the way back computes it once more. A model whose
 * layers are checkpointed stores one activation a layer, for a third more arithmetic.
 *
 * @param compute - built from this package's ops; gives the same whenever it is called with the same
 * @param inputs - everything in it that a gradient may be wanted for: activations and parameters
 * @returns new, as `compute` gives it
 * @throws TypeError on the way back, when `compute` reads something that a gradient is wanted for and that is not among `inputs`
 * @see Chen et al. 2016, arXiv:1604.06174
 * @example const y = checkpoint(({ x, layer }) => decoderLayer(x, layer), { x, layer });
 */
export function checkpoint<P extends ParamTree, T extends Tensor>(compute: (inputs: P) => T, inputs: P): T {
  const tensors = treeLeaves<Tensor | PackedMatrix>(inputs).filter(isTensor);
  return record(
    "checkpoint",
    tensors,
    () => compute(inputs),
    ({ needs, save, isWatched }) => {
      const kept = new Map(tensors.map((tensor) => [tensor, save(tensor)]));
      const again = mapTree<Tensor | PackedMatrix, Tensor | PackedMatrix>(inputs, (leaf) =>
        isTensor(leaf) ? (kept.get(leaf) as Tensor) : leaf,
      ) as P;
      const variables = tensors.filter((_, i) => needs[i]).map((tensor) => kept.get(tensor) as Tensor);
      return ([dy]) => {
        if (!dy) return [];
        const refuse = (input: Tensor) => {
          if (isWatched(input)) throw missing(input);
        };
        const { value, gradients } = differentiate(() => compute(again), variables, { seed: dy, refuse });
        value.dispose();
        let next = 0;
        return needs.map((need) => (need ? (gradients[next++] ?? null) : null));
      };
    },
  );
}

function missing(input: Tensor): TypeError {
  return new TypeError(
    `checkpoint: compute reads a tensor of shape ${formatShape(input.shape)} that a gradient is wanted for and that is not among its ` +
      "inputs, expected all of them there. Pass it in inputs, and read it from there.",
  );
}
