import {
  add,
  logSumExp,
  matMul,
  mul,
  pad,
  reshape,
  slice,
  softmax,
  sub,
  sum,
  type Tensor,
  type Tensor3D,
  type Tensor4D,
  tensor,
} from "@corenet/tensor";
import type {
  AttentionAttrs,
  AttentionGradInputs,
  AttentionGradOutputs,
  AttentionInputs,
  AttentionOutputs,
} from "./op.ts";

const HIDDEN = -1e9; // not −∞: a row of nothing but −∞ is NaN

/** Folds the g heads that share keys into the query length: one product, and no key is copied. */
export function attentionReference([q, k, v]: AttentionInputs, attrs: AttentionAttrs): AttentionOutputs {
  const [B, H, T, d] = q.shape;
  const { scores, visible, values } = fold([q, k, v], attrs);
  const weights = mul(softmax(scores), visible); // [B, Hkv, g·T, S]
  const y = matMul(weights, values); // [B, Hkv, g·T, d]
  return [reshape(y, [B, H, T, d]), reshape(logSumExp(scores), [B, H, T]) as Tensor3D];
}

/** With P the weights and dP = dY·Vᵀ: dV = Pᵀ·dY, dS = P ⊙ (dP − Σ P ⊙ dP), dQ = dS·K / √d, dK = dSᵀ·Q / √d. */
export function attentionGradReference(
  [q, k, v, , , dy]: AttentionGradInputs,
  attrs: AttentionAttrs,
): AttentionGradOutputs {
  const [B, H, T, d] = q.shape;
  const [, Hkv, capacity] = k.shape;
  const { scores, visible, queries, keys, values } = fold([q, k, v], attrs);
  const dyFolded = reshape(dy, [B, Hkv, (H / Hkv) * T, d]);
  const weights = mul(softmax(scores), visible); // [B, Hkv, g·T, S]
  const dWeights = matMul(dyFolded, values, { transposeB: true }); // [B, Hkv, g·T, S]
  const weighted = mul(weights, dWeights);
  const dScores = mul(sub(weighted, mul(weights, sum(weighted, { axis: -1, keepDims: true }))), d ** -0.5);
  const dq = reshape(matMul(dScores, keys), [B, H, T, d]);
  const dk = matMul(dScores, queries, { transposeA: true }); // [B, Hkv, S, d]
  const dv = matMul(weights, dyFolded, { transposeA: true });
  const room: [number, number][] = [
    [0, 0],
    [0, 0],
    [0, capacity - attrs.length],
    [0, 0],
  ];
  return [dq, pad(dk, room) as Tensor4D, pad(dv, room) as Tensor4D];
}

interface Folded {
  readonly queries: Tensor4D;
  readonly keys: Tensor4D;
  readonly values: Tensor4D;
  /** Scaled and masked [B, Hkv, g·T, S]. */
  readonly scores: Tensor4D;
  /** 1 where a query sees a key, 0 elsewhere [B or 1, 1, g·T, S]. */
  readonly visible: Tensor;
}

function fold([q, k, v]: AttentionInputs, attrs: AttentionAttrs): Folded {
  const [B, H, T, d] = q.shape;
  const [, Hkv] = k.shape;
  const S = attrs.length;
  const g = H / Hkv;
  const queries = reshape(q, [B, Hkv, g * T, d]);
  const keys = slice(k, [0, 0, 0, 0], [B, Hkv, S, d]);
  const values = slice(v, [0, 0, 0, 0], [B, Hkv, S, d]);
  const visible = visibility(attrs, { B, T, S, g });
  const bias = mul(sub(1, visible), HIDDEN);
  const scores = add(mul(matMul(queries, keys, { transposeB: true }), d ** -0.5), bias);
  return { queries, keys, values, scores: scores as Tensor4D, visible };
}

function visibility(
  { causal, validFrom }: AttentionAttrs,
  { B, T, S, g }: { B: number; T: number; S: number; g: number },
): Tensor {
  const rows = validFrom ? B : 1;
  const mask = new Float32Array(rows * g * T * S);
  const perQuery = validFrom?.length === B * T;
  for (let b = 0; b < rows; b++) {
    for (let row = 0; row < g * T; row++) {
      const t = row % T;
      const first = validFrom?.[perQuery ? b * T + t : b] ?? 0;
      const last = causal ? S - T + t : S - 1;
      const at = (b * g * T + row) * S;
      mask.fill(1, at + Math.min(first, last + 1), at + last + 1);
    }
  }
  return tensor(mask, [rows, 1, g * T, S]);
}
