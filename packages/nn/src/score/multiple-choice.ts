import { createProgress, type OnProgress, type Rng, throwIfAborted, yieldToEventLoop } from "@corenet/core";
import type { Tokenizer } from "@corenet/formats";
import type { CausalLm } from "../causal-lm.ts";
import { logLikelihoods } from "./log-likelihood.ts";

/** A question with its possible answers. */
export interface ChoiceExample {
  /** What stands before the answer. */
  readonly context: string;
  readonly choices: readonly string[];
  /** Which choice is right, counted from 0. */
  readonly answer: number;
}

export interface ChoiceResult {
  /** Σ log p of each choice, in nats. */
  readonly logLikelihoods: readonly number[];
  /** The most likely choice. */
  readonly predicted: number;
  /** The most likely by character. */
  readonly predictedNorm: number;
  readonly correct: boolean;
  readonly correctNorm: boolean;
}

/** A share with its uncertainty. */
export interface Accuracy {
  readonly value: number;
  /** √(p (1 − p) / (n − 1)), as lm-evaluation-harness gives it. */
  readonly standardError: number;
  /** Wilson's interval, in which the true share lies with 95 %. */
  readonly interval95: readonly [number, number];
}

export interface MultipleChoiceScore {
  readonly count: number;
  /** Choice by Σ log p: `acc`. */
  readonly accuracy: Accuracy;
  /** Choice by Σ log p / characters: `acc_norm`. */
  readonly accuracyNorm: Accuracy;
  readonly results: readonly ChoiceResult[];
}

export interface MultipleChoiceOptions {
  /** Solved examples in front of each question. @default 0 */
  numFewShot?: number;
  /** Where they are taken from, never the question itself. @default the examples */
  fewShotFrom?: readonly ChoiceExample[];
  /** Chooses them at random, by the number of the question; without it they are the first ones. */
  rng?: Rng;
  /** Between question and answer. @default " " */
  delimiter?: string;
  /** Results of an earlier run that was stopped: their questions are not asked again. */
  done?: readonly ChoiceResult[];
  /** Called after each question, to store what `done` takes. */
  onResult?: (result: ChoiceResult, index: number) => void;
  signal?: AbortSignal;
  /** Phase "score", in questions. */
  onProgress?: OnProgress;
}

/**
 * Multiple choice as lm-evaluation-harness defines it: the choice with the largest Σ log p after the context wins.
 * All choices of a question share one reading of its context.
 *
 * @throws RangeError when there are no examples, one has no such answer, or fewer solved examples than asked for
 * @see Gao et al., EleutherAI lm-evaluation-harness, task type `multiple_choice`
 */
export async function scoreMultipleChoice(
  model: CausalLm,
  tokenizer: Tokenizer,
  examples: readonly ChoiceExample[],
  options: MultipleChoiceOptions = {},
): Promise<MultipleChoiceScore> {
  const { numFewShot = 0, fewShotFrom = examples, rng, delimiter = " ", done = [], signal } = options;
  examples.forEach(checkExample);
  if (examples.length === 0 || done.length > examples.length) {
    throw new RangeError(
      `scoreMultipleChoice: got ${examples.length} examples and ${done.length} results, expected at least one and no ` +
        "more results than examples.",
    );
  }
  const progress = createProgress({
    ...{ phase: "score", unit: "questions", total: examples.length },
    onProgress: options.onProgress,
  });
  progress.advance(done.length);
  const results = [...done];
  for (const [index, example] of examples.entries()) {
    if (index < done.length) continue;
    throwIfAborted(signal);
    const shots = pickShots(fewShotFrom, example, numFewShot, rng?.split(index));
    const solved = shots
      .map((shot) => `${shot.context}${delimiter}${shot.choices[shot.answer]}\n\n`)
      .join("");
    const pairs = example.choices.map((choice) =>
      encodePair(tokenizer, `${solved}${example.context}`, `${delimiter}${choice}`),
    );
    const result = judge(example, await scorePairs(model, pairs, signal));
    results.push(result);
    options.onResult?.(result, index);
    progress.advance(1);
    await yieldToEventLoop();
  }
  progress.finish();
  return {
    count: results.length,
    accuracy: accuracyOf(results.map(({ correct }) => correct)),
    accuracyNorm: accuracyOf(results.map(({ correctNorm }) => correctNorm)),
    results,
  };
}

/** Ids of a context and of what follows it. */
export interface EncodedPair {
  readonly context: readonly number[];
  readonly continuation: readonly number[];
}

/**
 * Context and continuation as ids: spaces at the end of the context belong to the continuation, both are encoded as one
 * text, and what goes beyond the context's own ids is the continuation. Bos stands in front where there is one.
 *
 * @throws RangeError when nothing of the continuation is left, or the context is empty and there is no bos
 */
export function encodePair(tokenizer: Tokenizer, context: string, continuation: string): EncodedPair {
  const trimmed = context.trimEnd();
  const whole = [...tokenizer.encode(context + continuation)];
  const front = [...tokenizer.encode(trimmed)];
  const bos = tokenizer.bosId === undefined ? [] : [tokenizer.bosId];
  const pair = { context: [...bos, ...front], continuation: whole.slice(front.length) };
  if (pair.context.length === 0 || pair.continuation.length === 0) {
    throw new RangeError(
      `encodePair: ${JSON.stringify(context.slice(-40))} followed by ${JSON.stringify(continuation.slice(0, 40))} gives ` +
        `${pair.context.length} and ${pair.continuation.length} tokens, expected at least one each. Write them out.`,
    );
  }
  return pair;
}

/** Scores pairs that mostly share their context, each context read once. */
async function scorePairs(
  model: CausalLm,
  pairs: readonly EncodedPair[],
  signal: AbortSignal | undefined,
): Promise<number[]> {
  const groups = new Map<string, number[]>();
  pairs.forEach(({ context }, i) => {
    const key = context.join(",");
    groups.set(key, [...(groups.get(key) ?? []), i]);
  });
  const sums = new Array<number>(pairs.length);
  for (const members of groups.values()) {
    const context = pairs[members[0] as number]?.context ?? [];
    const continuations = members.map((i) => pairs[i]?.continuation ?? []);
    const scores = await logLikelihoods(model, context, continuations, signal ? { signal } : {});
    members.forEach((i, j) => {
      sums[i] = scores[j]?.sum as number;
    });
  }
  return sums;
}

function judge(example: ChoiceExample, sums: readonly number[]): ChoiceResult {
  const perCharacter = sums.map((sum, i) => sum / [...(example.choices[i] as string)].length);
  const predicted = sums.indexOf(Math.max(...sums));
  const predictedNorm = perCharacter.indexOf(Math.max(...perCharacter));
  return {
    ...{ logLikelihoods: sums, predicted, predictedNorm },
    ...{ correct: predicted === example.answer, correctNorm: predictedNorm === example.answer },
  };
}

function pickShots(
  from: readonly ChoiceExample[],
  example: ChoiceExample,
  count: number,
  rng: Rng | undefined,
): ChoiceExample[] {
  if (count === 0) return [];
  const others = from.filter((other) => other !== example);
  if (!(Number.isInteger(count) && count >= 0 && count <= others.length)) {
    throw new RangeError(
      `scoreMultipleChoice: numFewShot is ${count}, expected an integer in [0, ${others.length}], as many as there are ` +
        "other examples. Pass more in fewShotFrom.",
    );
  }
  if (!rng) return others.slice(0, count);
  const order = Uint32Array.from(others.keys());
  rng.shuffle(order);
  return Array.from(order.subarray(0, count), (i) => others[i] as ChoiceExample);
}

/** The share of true values. */
export function accuracyOf(values: readonly boolean[]): Accuracy {
  const n = values.length;
  const p = values.filter(Boolean).length / n;
  const z = 1.959964;
  const center = (p + z ** 2 / (2 * n)) / (1 + z ** 2 / n);
  const half = (z / (1 + z ** 2 / n)) * Math.sqrt((p * (1 - p)) / n + z ** 2 / (4 * n ** 2));
  return {
    value: p,
    standardError: n > 1 ? Math.sqrt((p * (1 - p)) / (n - 1)) : Number.NaN,
    interval95: [Math.max(0, center - half), Math.min(1, center + half)],
  };
}

function checkExample({ choices, answer }: ChoiceExample, index: number): void {
  const isRight = Number.isInteger(answer) && answer >= 0 && answer < choices.length;
  if (isRight && choices.every((choice) => choice !== "")) return;
  throw new RangeError(
    `scoreMultipleChoice: example ${index} has ${choices.length} choices and the answer ${answer}, expected choices that ` +
      "are not empty and the number of one of them, from 0.",
  );
}
