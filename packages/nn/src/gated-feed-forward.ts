import { ShapeError } from "@corenet/core";
import { checkDType, type Tensor, tidy } from "@corenet/tensor";
import { siluMulOp } from "./kernels/silu-mul/op.ts";
import { linear, type Weight } from "./linear.ts";

export interface GatedFeedForwardParams {
  /** [2F, D]: the gate's rows, then the up projection's. */
  readonly gateUp: Weight;
  /** [D, F] */
  readonly down: Weight;
}

/**
 * The gated feed-forward block SwiGLU: `(silu(gate) ⊙ up) · W₂ᵀ`, gate and up being the halves of `x · W₁ᵀ`.
 *
 * @param x - [..., D]
 * @returns [..., D]
 * @throws ShapeError when the matrices do not fit x or each other
 * @see Shazeer 2020, arXiv:2002.05202, eq. 6
 */
export function gatedFeedForward<T extends Tensor>(x: T, params: GatedFeedForwardParams): T {
  return tidy(() => {
    const gateUp = linear(x, params.gateUp); // [..., 2F]
    const hidden = siluMul(gateUp); // [..., F]
    return linear(hidden, params.down) as T; // [..., D]
  });
}

/**
 * `silu(gate) ⊙ up` of a joint projection: [..., 2F] to [..., F], the gate being the first half.
 *
 * @throws ShapeError when the last side is odd
 */
export function siluMul(gateUp: Tensor): Tensor {
  checkDType("siluMul: gateUp", gateUp, "float32");
  const side = gateUp.shape.at(-1) ?? 0;
  if (side % 2 !== 0 || side === 0) {
    throw new ShapeError(
      `siluMul: the last side is ${side}, expected an even number: gate and up side by side.`,
    );
  }
  const [y] = siluMulOp([gateUp], {});
  return y;
}
