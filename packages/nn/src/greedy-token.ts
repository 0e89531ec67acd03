import { argMax, cast, concat, max, readData, reshape, slice, type Tensor3D, tidy } from "@corenet/tensor";

/**
 * The most likely token of the last place, the first of equals: chosen where the logits are, so that eight bytes are
 * read in place of all of them.
 *
 * @param logits - [1, T, V]; V below 2²⁴
 * @returns undefined where the largest logit is not a finite number
 */
export async function greedyToken(logits: Tensor3D): Promise<number | undefined> {
  const [, T, V] = logits.shape;
  const choice = tidy(() => {
    const last = reshape(slice(logits, [0, T - 1, 0], [1, 1, V]), [V]);
    const id = reshape(cast(argMax(last), "float32"), [1]);
    return concat([id, reshape(max(last), [1])]); // [2]
  });
  try {
    const [id, top] = await readData(choice);
    return Number.isFinite(top) ? id : undefined;
  } finally {
    choice.dispose();
  }
}
