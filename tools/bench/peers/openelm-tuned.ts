import * as tf from "@tensorflow/tfjs-core";
import { causalMask } from "./openelm-stock.ts";
import type { Kit } from "./openelm-tfjs.ts";

/**
 * The writing of somebody who profiled: gradients by hand, so that every product of the step is a plain 2-D one and
 * takes XNNPACK. Transposes are made beforehand; attention runs one key-value head of one sequence at a time, with its
 * group of query heads folded into the rows; a tensor is split by reading it once, not by `slice`, which copies all of
 * it for each part; columns are summed by a product with ones.
 */
export const tunedKit: Kit = {
  linear: (x, w) =>
    withGradient(
      [x, w],
      () => ({ value: tf.matMul<tf.Tensor2D>(x, w), saved: [x, w] }),
      (dy, [a, b]) => [multiply(dy, tf.transpose(b)), multiply(tf.transpose(a), dy)],
    ),

  lookUp: (oneHot, embedding) =>
    withGradient(
      [embedding], // no gradient for the constant
      () => ({ value: tf.matMul<tf.Tensor2D>(oneHot, embedding), saved: [] }),
      (dy) => [multiply(tf.transpose(oneHot), dy)],
    ),

  rotateHalf(x) {
    const [B, T, H, d] = x.shape;
    const times = (a: tf.Tensor, rotation: tf.Tensor) =>
      tf.reshape<tf.Rank.R4>(multiply(tf.reshape(a, [-1, d]), rotation), [B, T, H, d]);
    return withGradient(
      [x],
      () => {
        const rotation = halfRotation(d);
        return { value: times(x, rotation), saved: [rotation] };
      },
      (dy, [rotation]) => [tf.neg(times(dy, rotation))], // the transpose of a half rotation is its negative
    );
  },

  rmsNorm: <T extends tf.Tensor>(x: T, gain: tf.Tensor1D): T =>
    withGradient(
      [x, gain],
      () => {
        const root = tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), 1e-6));
        const unit = tf.mul(x, root);
        return { value: tf.mul<T>(unit, gain), saved: [unit, root, gain] };
      },
      (dy, [unit, root, g]) => {
        const dUnit = tf.mul(dy, g);
        const along = tf.mean(tf.mul(dUnit, unit), -1, true);
        const rows = tf.reshape(tf.mul(dy, unit), [-1, gain.size]); // [rows, D]
        const dGain = multiply(tf.ones([1, rows.shape[0] ?? 0]), rows);
        return [tf.mul(root, tf.sub(dUnit, tf.mul(unit, along))), tf.reshape(dGain, [-1])];
      },
    ),

  gatedSilu: (gate, up) =>
    withGradient(
      [gate, up],
      () => {
        const share = tf.sigmoid(gate);
        const silu = tf.mul(gate, share);
        return { value: tf.mul<tf.Tensor2D>(silu, up), saved: [up, share, silu] };
      },
      (dy, [u, share, silu]) => {
        const slope = tf.add(share, tf.mul(silu, tf.sub(1, share)));
        return [tf.mul(tf.mul(dy, u), slope), tf.mul(dy, silu)];
      },
    ),

  attention: (q, k, v) =>
    withGradient(
      [q, k, v],
      () => {
        const [B, H, T, d] = q.shape;
        const parts = B * k.shape[1];
        const mask = causalMask(T, (B * H) / parts); // [G T, T]
        const keys = split(tf.transpose(k, [0, 1, 3, 2]), parts, [d, T]);
        const values = split(v, parts, [T, d]);
        const weights: tf.Tensor2D[] = []; // each [G T, T]
        const results = split(q, parts, [-1, d]).map((query, i) => {
          const weight = tf.softmax<tf.Tensor2D>(tf.add(multiply(query, at(keys, i)), mask));
          weights.push(weight);
          return multiply(weight, at(values, i)); // [G T, d]
        });
        return {
          value: tf.reshape<tf.Rank.R4>(tf.concat(results, 0), [B, H, T, d]),
          saved: [q, k, v, ...weights],
        };
      },
      (dy, [query, key, value, ...weights]) => {
        const [, , T, d] = query.shape;
        const n = weights.length;
        const queries = split(query, n, [-1, d]);
        const keys = split(key, n, [T, d]);
        const values = split(tf.transpose(value, [0, 1, 3, 2]), n, [d, T]);
        const grads = split(dy, n, [-1, d]).map((dRead, i) => {
          const weight = at(weights, i); // [G T, T]
          const dWeight = multiply(dRead, at(values, i)); // [G T, T]
          const along = tf.sum(tf.mul(dWeight, weight), -1, true); // [G T, 1]
          const dScore = tf.mul(weight, tf.sub(dWeight, along)); // [G T, T]
          return {
            query: multiply(dScore, at(keys, i)), // [G T, d]
            key: multiply(tf.transpose(dScore), at(queries, i)), // [T, d]
            value: multiply(tf.transpose(weight), dRead), // [T, d]
          };
        });
        const join = (parts: tf.Tensor[], shape: number[]) => tf.reshape(tf.concat(parts, 0), shape);
        return [
          join(
            grads.map((grad) => grad.query),
            query.shape,
          ),
          join(
            grads.map((grad) => grad.key),
            key.shape,
          ),
          join(
            grads.map((grad) => grad.value),
            value.shape,
          ),
        ];
      },
    ),

  logSumExp: (logits) =>
    withGradient(
      [logits],
      () => {
        const shares = tf.softmax(logits); // [N, V]: XNNPACK's, much faster than exp
        // The largest share is exp(max - logsumexp), so that one logarithm a row is enough.
        const value = tf.sub<tf.Tensor1D>(tf.max(logits, -1), tf.log(tf.max(shares, -1)));
        return { value, saved: [shares] };
      },
      (dy, [shares]) => [tf.mul(shares, tf.expandDims(dy, -1))],
    ),
};

/** `forward`, with the gradient that `backward` gives: one tensor for each of `inputs`. It gets back what was saved. */
function withGradient<T extends tf.Tensor, const S extends readonly tf.Tensor[]>(
  inputs: tf.Tensor[],
  forward: () => { value: T; saved: S },
  backward: (dy: T, saved: S) => tf.Tensor[],
): T {
  const op = tf.customGrad<T>((...args) => {
    const save = args.at(-1);
    if (typeof save !== "function") throw new TypeError("withGradient: tfjs passed no save function.");
    const { value, saved } = forward();
    save([...saved]);
    return { value, gradFunc: (dy, copies) => backward(dy, copies as readonly tf.Tensor[] as S) };
  });
  return op(...inputs);
}

function multiply(a: tf.Tensor, b: tf.Tensor): tf.Tensor2D {
  return tf.matMul(a, b);
}

/** Cuts a tensor into equal parts of consecutive values, each of shape `shape`. */
function split(x: tf.Tensor, parts: number, shape: [number, number]): tf.Tensor2D[] {
  const values = x.dataSync<"float32">();
  const length = values.length / parts;
  const [rows, columns] = shape;
  return Array.from({ length: parts }, (_, i) =>
    tf.tensor2d(values.subarray(i * length, (i + 1) * length), [rows < 0 ? length / columns : rows, columns]),
  );
}

/** R [d, d] with (x1, x2) R = (-x2, x1). */
function halfRotation(d: number): tf.Tensor2D {
  const half = d / 2;
  const values = new Float32Array(d * d);
  for (let j = 0; j < half; j++) {
    values[(j + half) * d + j] = -1;
    values[j * d + j + half] = 1;
  }
  return tf.tensor2d(values, [d, d]);
}

function at(list: readonly tf.Tensor[], i: number): tf.Tensor {
  const found = list[i];
  if (!found) throw new RangeError(`at: ${i} is outside a list of ${list.length}.`);
  return found;
}
