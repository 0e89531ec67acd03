import { throwIfAborted } from "@corenet/core";
import { argMax, disposeTree, reshape, type Tensor, takeData, tensor, tidy } from "@corenet/tensor";
import type { CausalLm } from "../causal-lm.ts";
import { crossEntropyOp } from "../kernels/cross-entropy/op.ts";
import type { KvCache } from "../kv-cache.ts";

/** What a model gave to tokens that were there already. */
export interface TokenScores {
  /** Natural logarithm of each target's probability. */
  readonly logProbs: Float32Array;
  /** Whether the target was the most likely token. */
  readonly greedy: readonly boolean[];
}

/**
 * Feeds `inputs` after what the cache holds and scores the last `targets.length` places, in pieces of `chunk` tokens,
 * so that logits of a long text are never there as a whole. Only two numbers a token are read back.
 *
 * @param targets - the tokens that follow the last inputs; at most as many as there are inputs
 */
export async function tokenLogProbs(
  model: CausalLm,
  cache: KvCache,
  inputs: readonly number[],
  targets: readonly number[],
  options: { chunk?: number; signal?: AbortSignal | undefined } = {},
): Promise<TokenScores> {
  const { chunk = 256, signal } = options;
  const logProbs = new Float32Array(targets.length);
  const greedy: boolean[] = [];
  const unscored = inputs.length - targets.length; // inputs at the start whose next token nobody asks for
  for (let from = 0; from < inputs.length; ) {
    throwIfAborted(signal);
    const to = Math.min(from < unscored ? unscored : inputs.length, from + chunk);
    const ids = inputs.slice(from, to);
    if (from < unscored) {
      await read(model, cache, ids);
    } else {
      const wanted = targets.slice(from - unscored, to - unscored);
      const { losses, best } = await score(model, cache, ids, wanted);
      losses.forEach((loss, i) => {
        logProbs[from - unscored + i] = -loss;
        greedy.push(best[i] === wanted[i]);
      });
    }
    from = to;
  }
  return { logProbs, greedy };
}

async function read(model: CausalLm, cache: KvCache, ids: readonly number[]): Promise<void> {
  const tokens = tensor(ids, [1, ids.length], "int32");
  try {
    await takeData(model.forward(tokens, { cache, logits: "last" })); // or work would pile up on a GPU
  } finally {
    tokens.dispose();
  }
}

async function score(
  model: CausalLm,
  cache: KvCache,
  ids: readonly number[],
  targets: readonly number[],
): Promise<{ losses: Float32Array; best: ArrayLike<number> }> {
  const T = ids.length;
  const scored = tidy((): Tensor[] => {
    const logits = model.forward(tensor(ids, [1, T], "int32"), { cache }); // [1, T, V]
    const rows = reshape(logits, [T, model.vocabSize]);
    const attrs = { ignoreIndex: -100, labelSmoothing: 0, zLoss: 0 };
    const [losses] = crossEntropyOp([rows, tensor(targets, [T], "int32")], attrs); // [T]
    return [losses as Tensor, argMax(rows)];
  });
  const [losses, best] = scored as [Tensor, Tensor];
  try {
    return { losses: await takeData(losses), best: await takeData(best, "int32") };
  } catch (error) {
    disposeTree(scored);
    throw error;
  }
}
