// Reverse-mode differentiation. Each op that is applied while a tape runs, to something that depends on the
// watched tensors, leaves a node; the sweep walks the nodes backwards and frees what it has used.
import { checkAlive } from "./check.ts";
import { isTfjsRecording, keepTensor, runKernel, tidyScope } from "./raw.ts";
import type { Tensor } from "./types.ts";

/** Gradients of the inputs, in their order; anything where `needs` is false is ignored. */
export type Backward = (
  gradients: readonly (Tensor | null)[],
) => readonly (Tensor | null | false | undefined)[];

export interface Recording {
  /** Which inputs lead to something that a gradient is wanted for. */
  readonly needs: readonly boolean[];
  /** Keeps a tensor for the backward pass; the tape frees it. */
  save<T extends Tensor>(tensor: T): T;
  /** Whether something that a gradient is wanted for led to this tensor. */
  isWatched(tensor: Tensor): boolean;
}

interface TapeNode {
  readonly name: string;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly saved: Tensor[];
  readonly needs: readonly boolean[];
  readonly backward: Backward;
}

class Tape {
  readonly nodes: TapeNode[] = [];
  readonly watched: Set<number>;
  readonly #refuse: ((input: Tensor) => void) | undefined;

  /** @param refuse - looks at every input that this tape does not watch, and throws where it should */
  constructor(variables: readonly Tensor[], refuse?: (input: Tensor) => void) {
    this.watched = new Set(variables.map((variable) => variable.id));
    this.#refuse = refuse;
  }

  /** Which of the inputs lead back to a variable. */
  needsOf(inputs: readonly Tensor[]): boolean[] {
    return inputs.map((input) => {
      if (this.watched.has(input.id)) return true;
      this.#refuse?.(input);
      return false;
    });
  }

  dispose(): void {
    for (const node of this.nodes) for (const tensor of node.saved) tensor.dispose();
    this.nodes.length = 0;
  }
}

let active: Tape | null = null;

/**
 * Applies an op and, where a tape runs, notes how to go back.
 *
 * @param forward - computes the outputs; what it makes besides is freed, and nothing in it is recorded
 * @param prepare - called only when recording: saves what the way back needs, and returns that way
 */
export function record<R extends Tensor | readonly Tensor[]>(
  name: string,
  inputs: readonly Tensor[],
  forward: () => R,
  prepare: (recording: Recording, outputs: R) => Backward,
): R {
  for (const input of inputs) checkAlive(`${name}: an input`, input);
  if (isTfjsRecording()) {
    throw new TypeError(
      `${name}: TensorFlow.js is recording its own gradients, which cannot see this op. Use valueAndGrad instead of tf.grads.`,
    );
  }
  const tape = active;
  active = null;
  let result: R;
  try {
    result = tidyScope(forward);
  } finally {
    active = tape;
  }
  if (!tape) return result;

  const needs = tape.needsOf(inputs);
  if (!needs.includes(true)) return result;
  const outputs: readonly Tensor[] = Array.isArray(result) ? [...result] : [result as Tensor]; // the caller may edit his
  const saved: Tensor[] = [];
  const save = <T extends Tensor>(tensor: T): T => {
    const copy = keepTensor(runKernel("Identity", { x: tensor }) as T); // shares the memory
    saved.push(copy);
    return copy;
  };
  const backward = orFree(saved, () =>
    prepare({ needs, save, isWatched: (tensor) => tape.watched.has(tensor.id) }, result),
  );
  tape.nodes.push({ name, inputs: [...inputs], outputs, saved, needs, backward });
  for (const output of outputs) tape.watched.add(output.id);
  return result;
}

export interface DifferentiateOptions {
  /** The gradient that arrives at the value, borrowed. @default ones */
  seed?: Tensor;
  /** Looks at every input of an op that leads to no variable. */
  refuse?: (input: Tensor) => void;
}

/**
 * The value of `compute` and its gradients with respect to `variables`, all the caller's own.
 *
 * @throws TypeError inside another one: second derivatives are not offered
 */
export function differentiate(
  compute: () => Tensor,
  variables: readonly Tensor[],
  { seed, refuse }: DifferentiateOptions = {},
): { value: Tensor; gradients: (Tensor | null)[] } {
  if (active) {
    throw new TypeError(
      "valueAndGrad: called inside another valueAndGrad, expected one at a time. Second derivatives are not supported.",
    );
  }
  const tape = new Tape(variables, refuse);
  try {
    active = tape;
    const value = tidyScope(() => ownValue(compute(), variables));
    active = null;
    try {
      return { value, gradients: sweep(tape, value, variables, seed) };
    } catch (error) {
      value.dispose();
      throw error;
    }
  } finally {
    active = null;
    tape.dispose();
  }
}

/** Runs `compute` unrecorded: gradients stop at what it returns. */
export function withoutGradient<T>(compute: () => T): T {
  const tape = active;
  active = null;
  try {
    return compute();
  } finally {
    active = tape;
  }
}

/** A result that is one of the variables is handed out as a copy, since the caller owns results. */
function ownValue(value: Tensor, variables: readonly Tensor[]): Tensor {
  if (!variables.includes(value)) return value;
  return record(
    "identity",
    [value],
    () => runKernel("Identity", { x: value }),
    () =>
      ([dy]) => [dy],
  );
}

function sweep(
  tape: Tape,
  value: Tensor,
  variables: readonly Tensor[],
  seed: Tensor | undefined,
): (Tensor | null)[] {
  const gradients = new Map<number, Tensor>();
  try {
    const first = seed
      ? runKernel("Identity", { x: seed })
      : runKernel("Fill", {}, { shape: [...value.shape], value: 1, dtype: "float32" });
    gradients.set(value.id, keepTensor(first));
    for (let node = tape.nodes.pop(); node; node = tape.nodes.pop()) {
      const current = node;
      orFree(current.saved, () => goBack(current, gradients));
      for (const tensor of current.saved) tensor.dispose();
    }
    // a second owner of each, which a tidy around may free; a variable may be in the list twice
    return variables.map(({ id }) => {
      const gradient = gradients.get(id);
      return gradient ? runKernel("Identity", { x: gradient }) : null;
    });
  } finally {
    for (const gradient of gradients.values()) gradient.dispose();
  }
}

function goBack(node: TapeNode, gradients: Map<number, Tensor>): void {
  const arriving = node.outputs.map((output) => gradients.get(output.id) ?? null);
  if (arriving.every((gradient) => gradient === null)) return;
  tidyScope(() => {
    const leaving = node.backward(arriving);
    const owned = new Set(arriving);
    node.inputs.forEach((input, i) => {
      const gradient = leaving[i];
      if (!node.needs[i] || !gradient) return;
      checkGradient(node.name, gradient, input);
      const before = gradients.get(input.id);
      const total = before ? runKernel("Add", { a: before, b: gradient }) : own(gradient, owned);
      gradients.set(input.id, keepTensor(total));
      before?.dispose();
    });
  });
  node.outputs.forEach((output, i) => {
    gradients.delete(output.id);
    arriving[i]?.dispose();
  });
}

/** A backward pass may hand on what arrived, or one gradient twice: each receiver needs one of its own. */
function own(gradient: Tensor, owned: Set<Tensor | null>): Tensor {
  if (owned.has(gradient)) return runKernel("Identity", { x: gradient });
  owned.add(gradient);
  return gradient;
}

/** Runs `work`, and frees the tensors if it throws. */
function orFree<T>(tensors: readonly Tensor[], work: () => T): T {
  try {
    return work();
  } catch (error) {
    for (const tensor of tensors) tensor.dispose();
    throw error;
  }
}

function checkGradient(name: string, gradient: Tensor, input: Tensor): void {
  const same =
    gradient.shape.length === input.shape.length && gradient.shape.every((n, i) => n === input.shape[i]);
  if (same && gradient.dtype === "float32") return;
  throw new TypeError(
    `${name}: the gradient is ${gradient.dtype} [${gradient.shape}], expected float32 [${input.shape}]. Mend the op's gradient.`,
  );
}
