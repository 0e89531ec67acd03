import * as tf from "@tensorflow/tfjs-core";
import type { Kit } from "./openelm-tfjs.ts";

/**
 * The plain writing: ops as they come, gradients as tfjs registers them. The forward products take XNNPACK, but tfjs's
 * gradient of matMul multiplies with transposeA and transposeB, which wasm does in a scalar loop.
 */
export const stockKit: Kit = {
  linear: (x, w) => tf.matMul(x, w),

  lookUp: (oneHot, embedding) => tf.matMul(oneHot, embedding),

  rotateHalf(x) {
    const [first, second] = tf.split<tf.Tensor4D>(x, 2, -1);
    if (!first || !second) throw new Error("rotateHalf: split gave no halves.");
    return tf.concat<tf.Tensor4D>([tf.neg(second), first], -1);
  },

  rmsNorm<T extends tf.Tensor>(x: T, gain: tf.Tensor1D): T {
    const meanSquare = tf.mean(tf.square(x), -1, true);
    return tf.mul(tf.mul(x, tf.rsqrt(tf.add(meanSquare, 1e-6))), gain);
  },

  gatedSilu: (gate, up) => tf.mul(tf.mul(gate, tf.sigmoid(gate)), up),

  attention(q, k, v) {
    const [, H, T] = q.shape;
    const group = H / k.shape[1];
    const scores = tf.matMul(q, repeatHeads(k, group), false, true); // [B, H, T, T]
    const weights = tf.softmax(tf.add(scores, causalMask(T)));
    return tf.matMul(weights, repeatHeads(v, group)); // [B, H, T, d]
  },

  logSumExp: (logits) => tf.logSumExp(logits, -1),
};

/** Each head of [B, Hkv, T, d] `group` times in a row. By concat: tile takes 100 times as long on wasm. */
function repeatHeads(x: tf.Tensor4D, group: number): tf.Tensor4D {
  if (group === 1) return x;
  const [B, Hkv, T, d] = x.shape;
  const rows = tf.reshape<tf.Rank.R3>(x, [B * Hkv, 1, T * d]);
  const repeated = tf.concat(
    Array.from({ length: group }, () => rows),
    1,
  );
  return tf.reshape(repeated, [B, Hkv * group, T, d]);
}

/** [T, T]: 0 where a query may look, -1e9 where the key lies ahead of it. */
export function causalMask(length: number, repeats = 1): tf.Tensor2D {
  const mask = new Float32Array(repeats * length * length);
  for (let row = 0; row < repeats * length; row++) {
    for (let key = (row % length) + 1; key < length; key++) mask[row * length + key] = -1e9;
  }
  return tf.tensor2d(mask, [repeats * length, length]);
}
