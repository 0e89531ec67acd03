import { reshape, split, type Tensor1D, type Tensor4D } from "@corenet/tensor";
import { rmsNormReference } from "../rms-norm/reference.ts";
import { ropeReference } from "../rope/reference.ts";
import type { TokenHeadsAttrs, TokenHeadsInputs, TokenHeadsOutputs } from "./op.ts";

export function tokenHeadsReference(
  [qkv, queryGain, keyGain, cos, sin]: TokenHeadsInputs,
  { numQueryHeads: H, numKvHeads: Hkv, eps }: TokenHeadsAttrs,
): TokenHeadsOutputs {
  const [B] = qkv.shape;
  const heads = reshape(qkv, [B, H + 2 * Hkv, 1, 2 * cos.shape[1]]); // with one token, heads lie as they come
  const [queries, keys, values] = split(heads, [H, Hkv, Hkv], { axis: 1 }) as [Tensor4D, Tensor4D, Tensor4D];
  const turned = (x: Tensor4D, gain: Tensor1D): Tensor4D => {
    const [normed] = rmsNormReference([x, gain], { eps });
    return ropeReference([normed as Tensor4D, cos, sin], { sign: 1 })[0];
  };
  return [turned(queries, queryGain), turned(keys, keyGain), values];
}
