// OpenELM's training step as a skilled TensorFlow.js user writes it today, on tfjs-core and the wasm backend alone.
// The architecture and the arithmetic are those of specs/openelm.md sections 2 and 4.4. What the backend is bad at is
// avoided here: weights are stored [in, out] and products flattened to 2-D, the one form XNNPACK takes; queries, keys,
// values, gate and up are matrices of their own, so that nothing is sliced; the embedding is looked up by one-hot
// products. The rest, where a stock and a tuned writing differ, is a `Kit`.
import * as tf from "@tensorflow/tfjs-core";
import type { Checkpoint, NamedArray, OpenElmShape, TokenBatch } from "./openelm-workload.ts";

/** The products and reductions that a user may leave to tfjs's own gradients ("stock") or write by hand ("tuned"). */
export interface Kit {
  /** x [N, in] times w [in, out]. */
  linear(x: tf.Tensor2D, w: tf.Tensor2D): tf.Tensor2D;
  /** Rows of the embedding [V, D] by a constant one-hot [N, V]. */
  lookUp(oneHot: tf.Tensor2D, embedding: tf.Tensor2D): tf.Tensor2D;
  /** (x1, x2) to (-x2, x1) along the last axis of [B, T, H, d]. */
  rotateHalf(x: tf.Tensor4D): tf.Tensor4D;
  rmsNorm<T extends tf.Tensor>(x: T, gain: tf.Tensor1D): T;
  /** x sigmoid(x) times up. */
  gatedSilu(gate: tf.Tensor2D, up: tf.Tensor2D): tf.Tensor2D;
  /** Causal attention of scaled queries [B, H, T, d] over keys and values [B, Hkv, T, d]. */
  attention(q: tf.Tensor4D, k: tf.Tensor4D, v: tf.Tensor4D): tf.Tensor4D;
  /** [N, V] to [N]. */
  logSumExp(logits: tf.Tensor2D): tf.Tensor1D;
}

interface Layer {
  attnNorm: tf.Variable<tf.Rank.R1>;
  queries: tf.Variable<tf.Rank.R2>; // [D, H d]
  keys: tf.Variable<tf.Rank.R2>; // [D, Hkv d]
  values: tf.Variable<tf.Rank.R2>; // [D, Hkv d]
  queryNorm: tf.Variable<tf.Rank.R1>;
  keyNorm: tf.Variable<tf.Rank.R1>;
  out: tf.Variable<tf.Rank.R2>; // [H d, D]
  ffnNorm: tf.Variable<tf.Rank.R1>;
  gate: tf.Variable<tf.Rank.R2>; // [D, F]
  up: tf.Variable<tf.Rank.R2>; // [D, F]
  down: tf.Variable<tf.Rank.R2>; // [F, D]
}

/** The parameters as tfjs variables. */
export interface OpenElmVariables {
  embedding: tf.Variable<tf.Rank.R2>; // [V, D]
  layers: Layer[];
  norm: tf.Variable<tf.Rank.R1>;
}

/** Makes variables of a checkpoint, or of anything with its names and shapes: its gradients, for example. */
export function createVariables(checkpoint: Checkpoint, shape: OpenElmShape): OpenElmVariables {
  const { dim: D, headDim: d } = shape;
  const read = (name: string): NamedArray => {
    const found = checkpoint[name];
    if (found) return found;
    throw new RangeError(`createVariables: there is no ${name}, only ${Object.keys(checkpoint).join(", ")}.`);
  };
  const own = <R extends tf.Rank>(make: () => tf.Tensor<R>) => tf.tidy(() => tf.variable(make()));
  const gain = (name: string) => own(() => tf.tensor1d(read(name).values));
  /** Rows from … to of an [out, in] matrix, as [in, rows]. */
  const columns = (name: string, from = 0, to?: number) => {
    const { shape: size, values } = read(name);
    const width = size[1] ?? 0;
    const rows = (to ?? size[0] ?? 0) - from;
    const block = values.slice(from * width, (from + rows) * width);
    return own(() => tf.transpose<tf.Tensor2D>(tf.tensor2d(block, [rows, width])));
  };
  return {
    embedding: own(() => tf.tensor2d(read("token_embeddings.weight").values, [shape.vocab, D])),
    layers: shape.numQueryHeads.map((H, i): Layer => {
      const F = shape.ffnDims[i] ?? 0;
      const Hkv = shape.numKvHeads[i] ?? 0;
      const at = `layers.${i}.`;
      const qkv = `${at}attn.qkv_proj.weight`; // first all queries, then all keys, then all values
      return {
        attnNorm: gain(`${at}attn_norm.weight`),
        queries: columns(qkv, 0, H * d),
        keys: columns(qkv, H * d, (H + Hkv) * d),
        values: columns(qkv, (H + Hkv) * d, (H + 2 * Hkv) * d),
        queryNorm: gain(`${at}attn.q_norm.weight`),
        keyNorm: gain(`${at}attn.k_norm.weight`),
        out: columns(`${at}attn.out_proj.weight`),
        ffnNorm: gain(`${at}ffn_norm.weight`),
        gate: columns(`${at}ffn.proj_1.weight`, 0, F),
        up: columns(`${at}ffn.proj_1.weight`, F, 2 * F),
        down: columns(`${at}ffn.proj_2.weight`),
      };
    }),
    norm: gain("norm.weight"),
  };
}

/** Every variable with a readable path ("layers.0.queries"). */
export function listVariables(variables: OpenElmVariables): [path: string, variable: tf.Variable][] {
  const { embedding, layers, norm } = variables;
  return [
    ["embedding", embedding],
    ...layers.flatMap((layer, i) =>
      Object.entries<tf.Variable>({ ...layer }).map(([name, variable]): [string, tf.Variable] => [
        `layers.${i}.${name}`,
        variable,
      ]),
    ),
    ["norm", norm],
  ];
}

/** sin and cos of the rotary angles [T, 1, d], made in double precision. */
function rotaryTables(length: number, headDim: number): { cos: tf.Tensor3D; sin: tf.Tensor3D } {
  const angles = Array.from({ length }, (_, position) =>
    Array.from({ length: headDim }, (_, j) => position * 10000 ** ((-2 * (j % (headDim / 2))) / headDim)),
  );
  const table = (f: (angle: number) => number): tf.Tensor3D =>
    tf.tensor3d(
      angles.map((row) => [row.map(f)]),
      [length, 1, headDim],
    );
  return { cos: table(Math.cos), sin: table(Math.sin) };
}

/** Logits [N, V] for one-hot tokens [N, V], N = B T. */
function forward(
  oneHot: tf.Tensor2D,
  variables: OpenElmVariables,
  shape: OpenElmShape,
  size: { batch: number; length: number },
  kit: Kit,
): tf.Tensor2D {
  const { batch: B, length: T } = size;
  const { headDim: d } = shape;
  const { cos, sin } = rotaryTables(T, d); // [T, 1, d]
  const scaled = { cos: tf.mul(cos, d ** -0.5), sin: tf.mul(sin, d ** -0.5) }; // 1/sqrt(d) costs nothing here
  const heads = (x: tf.Tensor2D) => tf.reshape<tf.Rank.R4>(x, [B, T, -1, d]);
  const rotate = (x: tf.Tensor4D, tables: { cos: tf.Tensor; sin: tf.Tensor }): tf.Tensor4D =>
    tf.add(tf.mul(x, tables.cos), tf.mul(kit.rotateHalf(x), tables.sin));
  const byHead = (x: tf.Tensor4D) => tf.transpose<tf.Tensor4D>(x, [0, 2, 1, 3]); // [B, H, T, d]

  let x = kit.lookUp(oneHot, variables.embedding); // [N, D]
  for (const layer of variables.layers) {
    const a = kit.rmsNorm(x, layer.attnNorm); // [N, D]
    const q = rotate(kit.rmsNorm(heads(kit.linear(a, layer.queries)), layer.queryNorm), scaled); // [B, T, H, d]
    const k = rotate(kit.rmsNorm(heads(kit.linear(a, layer.keys)), layer.keyNorm), { cos, sin }); // [B, T, Hkv, d]
    const v = heads(kit.linear(a, layer.values)); // [B, T, Hkv, d]
    const read = byHead(kit.attention(byHead(q), byHead(k), byHead(v))); // [B, T, H, d]
    x = tf.add(x, kit.linear(tf.reshape(read, [B * T, -1]), layer.out));

    const f = kit.rmsNorm(x, layer.ffnNorm); // [N, D]
    const gated = kit.gatedSilu(kit.linear(f, layer.gate), kit.linear(f, layer.up)); // [N, F]
    x = tf.add(x, kit.linear(gated, layer.down));
  }
  return kit.linear(kit.rmsNorm(x, variables.norm), tf.transpose<tf.Tensor2D>(variables.embedding));
}

/** [N, V]; a row of zeros for an id below 0. Cast, because oneHot to float32 writes integer bits on wasm. */
function oneHotRows(ids: Int32Array, vocab: number): tf.Tensor2D {
  const rows = tf.cast(tf.oneHot(tf.tensor1d(ids, "int32"), vocab), "float32");
  return tf.reshape<tf.Rank.R2>(rows, [ids.length, vocab]);
}

export interface Losses {
  /** Mean negative log-likelihood of the targets that count. */
  ce: tf.Scalar;
  /** 1e-4 times the mean square of logsumexp over them. */
  z: tf.Scalar;
}

/** The two losses of logits [N, V]; targets below 0 are ignored. */
function losses(logits: tf.Tensor2D, targets: Int32Array, kit: Kit): Losses {
  const V = logits.shape[1];
  const valid = targets.reduce((count, target) => count + (target >= 0 ? 1 : 0), 0);
  const share = tf.tensor1d(Float32Array.from(targets, (target) => (target >= 0 ? 1 / valid : 0))); // [N]
  const wanted = oneHotRows(targets, V); // [N, V], rows of zeros where ignored
  const lse = kit.logSumExp(logits); // [N]
  const z = tf.mul<tf.Scalar>(tf.sum(tf.mul(share, tf.square(lse))), 1e-4);
  const hits = tf.sum(tf.mul(logits, wanted), -1); // [N]
  return { ce: tf.sum<tf.Scalar>(tf.mul(share, tf.sub(lse, hits))), z };
}

/** Logits, losses, and the gradient of their sum by variable name. The caller frees all of it. */
export function evaluate(
  variables: OpenElmVariables,
  shape: OpenElmShape,
  data: TokenBatch,
  kit: Kit,
): { logits: tf.Tensor2D; losses: Losses; total: tf.Scalar; grads: tf.NamedTensorMap } {
  let kept: { logits: tf.Tensor2D; losses: Losses } | undefined;
  const oneHot = tf.tidy(() => oneHotRows(data.tokens, shape.vocab)); // [N, V]
  const { value, grads } = tf.variableGrads(
    () => {
      const logits = forward(oneHot, variables, shape, data, kit);
      const { ce, z } = losses(logits, data.targets, kit);
      kept = { logits: tf.keep(logits), losses: { ce: tf.keep(ce), z: tf.keep(z) } };
      return tf.add<tf.Scalar>(ce, z);
    },
    listVariables(variables).map(([, variable]) => variable),
  );
  oneHot.dispose();
  if (!kept) throw new Error("evaluate: tfjs did not call the loss.");
  return { ...kept, total: value, grads };
}

/** AdamW as in `specs/openelm.md` section 3.4. */
export interface AdamWOptions {
  learningRate: number;
  /** @default 0.9 */
  beta1?: number;
  /** @default 0.95 */
  beta2?: number;
  /** Outside the root. @default 1e-8 */
  eps?: number;
  /** On matrices only. @default 0.1 */
  weightDecay?: number;
  /** Global gradient norm. @default 1 */
  clipNorm?: number;
}

/** A model in training. Owns its variables and the two moments of each. */
export class OpenElmTraining {
  readonly variables: OpenElmVariables;
  private readonly shape: OpenElmShape;
  private readonly kit: Kit;
  private readonly moments: { variable: tf.Variable; mean: tf.Variable; square: tf.Variable }[];
  private steps = 0;

  constructor(checkpoint: Checkpoint, shape: OpenElmShape, kit: Kit) {
    this.variables = createVariables(checkpoint, shape);
    this.shape = shape;
    this.kit = kit;
    this.moments = listVariables(this.variables).map(([, variable]) => ({
      variable,
      mean: tf.tidy(() => tf.variable(tf.zerosLike(variable))),
      square: tf.tidy(() => tf.variable(tf.zerosLike(variable))),
    }));
  }

  /** Forward, backward, clip, update. Returns when everything was computed. */
  async step(data: TokenBatch, options: AdamWOptions): Promise<{ loss: number; gradNorm: number }> {
    const gradNorms: number[] = [];
    const total = tf.tidy(() => {
      const { grads, ...rest } = evaluate(this.variables, this.shape, data, this.kit);
      gradNorms.push(this.update(grads, options));
      tf.dispose([rest.logits, rest.losses.ce, rest.losses.z]); // they were kept
      return rest.total;
    });
    const [loss = Number.NaN] = await total.data();
    total.dispose();
    return { loss, gradNorm: gradNorms[0] ?? Number.NaN };
  }

  private update(grads: tf.NamedTensorMap, options: AdamWOptions): number {
    const { learningRate, beta1 = 0.9, beta2 = 0.95, eps = 1e-8, weightDecay = 0.1, clipNorm = 1 } = options;
    this.steps++;
    const squares = Object.values(grads).map((grad) => tf.sum<tf.Scalar>(tf.square(grad)));
    const gradNorm = Math.sqrt(tf.addN(squares).dataSync()[0] ?? Number.NaN); // wasm is synchronous: this waits for nothing
    const scale = Math.min(1, clipNorm / (gradNorm + 1e-6));
    const correct1 = 1 - beta1 ** this.steps;
    const correct2 = 1 - beta2 ** this.steps;
    for (const { variable, mean, square } of this.moments) {
      const grad = grads[variable.name];
      if (!grad) throw new Error(`OpenElmTraining: ${variable.name} has no gradient.`);
      mean.assign(tf.add(tf.mul(mean, beta1), tf.mul(grad, (1 - beta1) * scale)));
      square.assign(tf.add(tf.mul(square, beta2), tf.mul(tf.square(grad), (1 - beta2) * scale ** 2)));
      const root = tf.add(tf.mul(tf.sqrt(square), correct2 ** -0.5), eps);
      const decay = variable.rank === 2 ? 1 - learningRate * weightDecay : 1;
      const kept = decay === 1 ? variable : tf.mul(variable, decay);
      variable.assign(tf.sub(kept, tf.mul(tf.div(mean, root), learningRate / correct1)));
    }
    return gradNorm;
  }

  dispose(): void {
    tf.dispose(this.moments.flatMap(({ variable, mean, square }) => [variable, mean, square]));
  }
}
