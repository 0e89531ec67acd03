/** The widths of an OpenELM, layer by layer: `specs/openelm.md` section 2. */
export interface OpenElmShape {
  vocab: number;
  dim: number;
  headDim: number;
  /** One entry per layer, as in the next two. */
  numQueryHeads: readonly number[];
  numKvHeads: readonly number[];
  ffnDims: readonly number[];
}

/** A row-major float32 array of a checkpoint. */
export interface NamedArray {
  shape: readonly number[];
  values: Float32Array;
}

/** A checkpoint by CoreNet's names; matrices are [out, in]. */
export type Checkpoint = Record<string, NamedArray>;

/** One training batch, row-major [B, T]. */
export interface TokenBatch {
  batch: number;
  length: number;
  tokens: Int32Array;
  /** The token that follows each; -1 is ignored by the loss. */
  targets: Int32Array;
}

/** Names and shapes of every parameter of an OpenELM with tied embedding, in the order of the forward pass. */
export function parameterShapes(shape: OpenElmShape): Record<string, readonly number[]> {
  const { vocab, dim, headDim } = shape;
  const shapes: Record<string, readonly number[]> = { "token_embeddings.weight": [vocab, dim] };
  for (const [i, heads] of shape.numQueryHeads.entries()) {
    const kvHeads = shape.numKvHeads[i] ?? 0;
    const ffn = shape.ffnDims[i] ?? 0;
    shapes[`layers.${i}.attn_norm.weight`] = [dim];
    shapes[`layers.${i}.attn.qkv_proj.weight`] = [(heads + 2 * kvHeads) * headDim, dim];
    shapes[`layers.${i}.attn.q_norm.weight`] = [headDim];
    shapes[`layers.${i}.attn.k_norm.weight`] = [headDim];
    shapes[`layers.${i}.attn.out_proj.weight`] = [dim, heads * headDim];
    shapes[`layers.${i}.ffn_norm.weight`] = [dim];
    shapes[`layers.${i}.ffn.proj_1.weight`] = [2 * ffn, dim];
    shapes[`layers.${i}.ffn.proj_2.weight`] = [dim, ffn];
  }
  shapes["norm.weight"] = [dim];
  return shapes;
}

/**
 * Start values that every contender shares: matrices normal with the deviations of `specs/openelm.md` section 2.4,
 * gains 1. The same seed gives the same numbers in every process on one machine.
 */
export function initialCheckpoint(shape: OpenElmShape, seed: number): Checkpoint {
  const uniform = mulberry32(seed);
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  const layers = shape.numQueryHeads.length;
  const checkpoint: Checkpoint = {};
  for (const [name, size] of Object.entries(parameterShapes(shape))) {
    const values = new Float32Array(size.reduce((product, side) => product * side, 1)).fill(1);
    const isResidual = name.includes("out_proj") || name.includes("proj_2");
    const deviation = shape.dim ** -0.5 * (isResidual ? (2 * layers) ** -0.5 : 1);
    if (size.length === 2) for (const i of values.keys()) values[i] = deviation * normal();
    checkpoint[name] = { shape: size, values };
  }
  return checkpoint;
}

/**
 * Batch number `step` of an endless text that can be learnt: each token is 1 to 8 above the one before it, modulo the
 * vocabulary. So the loss falls from ln(vocab) towards ln(8) = 2.08.
 */
export function trainingBatch(options: {
  vocab: number;
  batch: number;
  length: number;
  seed: number;
  step: number;
}): TokenBatch {
  const { vocab, batch, length, seed, step } = options;
  const uniform = mulberry32(seed * 1_000_003 + step);
  const tokens = new Int32Array(batch * length);
  const targets = new Int32Array(batch * length);
  for (let row = 0; row < batch; row++) {
    let token = Math.floor(uniform() * vocab);
    for (let t = 0; t < length; t++) {
      tokens[row * length + t] = token;
      token = (token + 1 + Math.floor(uniform() * 8)) % vocab;
      targets[row * length + t] = token;
    }
  }
  return { batch, length, tokens, targets };
}

/** Uniform numbers in [0, 1) from 32 bits of state (T. Ettinger's mulberry32): good enough for start values. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}
