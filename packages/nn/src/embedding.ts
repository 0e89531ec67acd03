import { checkIds, gather, isTensor, reshape, type Tensor2D, type Tensor3D, tidy } from "@corenet/tensor";
import type { Weight } from "./linear.ts";
import { isTrainableWeight } from "./trainable-weight.ts";

/**
 * Looks up one row for each token.
 *
 * @param tokens - int32 [B, T], each in [0, V)
 * @param table - [V, D], as a tensor or in a packed format
 * @returns [B, T, D]
 * @throws RangeError naming the first token outside the vocabulary, and where it stands
 */
export function embedding(tokens: Tensor2D, table: Weight): Tensor3D {
  if (isTensor(table)) return gather(table, tokens, { who: "embedding: tokens" }) as Tensor3D;
  if (isTrainableWeight(table)) return table.lookUp(tokens);
  const [B, T] = tokens.shape;
  const [V, D] = table.shape;
  checkIds("embedding: tokens", tokens, V);
  return tidy(() => {
    const rows = table.unpackRows(reshape(tokens, [B * T])); // [B·T, D]
    return reshape(rows, [B, T, D]);
  });
}
