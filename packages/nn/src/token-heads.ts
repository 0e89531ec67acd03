import {
  checkDType,
  checkShape,
  type Tensor1D,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
} from "@corenet/tensor";
import { tokenHeadsOp } from "./kernels/token-heads/op.ts";
import type { RmsNormOptions } from "./rms-norm.ts";
import type { RopeTables } from "./rope.ts";

export interface TokenHeadsOptions extends RmsNormOptions {
  numQueryHeads: number;
  numKvHeads: number;
  /** Gains of the heads' norms [d]. */
  gains: { readonly queries: Tensor1D; readonly keys: Tensor1D };
  /** Of the token's position: cos and sin [1, d / 2]. */
  tables: RopeTables;
}

/**
 * Queries, keys and values of one token, as attention and a cache take them: what the joint projection holds, parted into
 * heads, queries and keys normalized (`rmsNorm`) and turned (`rope`) head by head. One step in place of nine, since a
 * decode step is many small ones. It has no gradient.
 *
 * @param qkv - the projection [B, 1, (H + 2 Hkv) d]: all query heads, then key heads, then value heads
 * @returns queries [B, H, 1, d], keys and values [B, Hkv, 1, d]
 * @throws ShapeError when there is more than one token, or gains or tables do not fit
 */
export function tokenHeads(
  qkv: Tensor3D,
  options: TokenHeadsOptions,
): { queries: Tensor4D; keys: Tensor4D; values: Tensor4D } {
  const { numQueryHeads, numKvHeads, gains, tables, eps = 1e-6 } = options;
  const [d] = gains.queries.shape;
  checkDType("tokenHeads: qkv", qkv, "float32");
  const width = (numQueryHeads + 2 * numKvHeads) * d;
  checkShape(
    "tokenHeads: qkv",
    qkv,
    [null, 1, width],
    "It takes one token; more go through rmsNorm and rope.",
  );
  checkShape("tokenHeads: key gains", gains.keys, [d], "They must match those of the queries.");
  checkShape(
    "tokenHeads: cos",
    tables.cos,
    [1, d / 2],
    "Make the tables with ropeTables for the one position.",
  );
  checkShape(
    "tokenHeads: sin",
    tables.sin,
    [1, d / 2],
    "Make the tables with ropeTables for the one position.",
  );
  const { cos, sin } = tables as { cos: Tensor2D; sin: Tensor2D };
  const inputs: Parameters<typeof tokenHeadsOp>[0] = [qkv, gains.queries, gains.keys, cos, sin];
  const [queries, keys, values] = tokenHeadsOp(inputs, { numQueryHeads, numKvHeads, eps });
  return { queries, keys, values };
}
