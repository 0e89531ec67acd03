import {
  activeBackend,
  currentBackend,
  type RunningBackend,
  type WasmHost,
  type WebGpuHost,
} from "./backend.ts";
import { declareOp, loadKernelsOf, namesWithoutKernel } from "./kernel-registry.ts";
import { type Backward, record } from "./tape.ts";
import type { Tensor } from "./types.ts";

type Tensors = readonly Tensor[];

/** Computes the outputs of an op from its inputs and attributes; borrows the inputs, gives the outputs away. */
export type OpFunction<I extends Tensors, O extends Tensors, A> = (inputs: I, attrs: A) => O;

/** A kernel is a function of its host: it compiles its module once, then computes. */
export type WasmKernel<I extends Tensors, O extends Tensors, A> = (
  host: WasmHost,
) => Promise<OpFunction<I, O, A>>;

/** The same on the GPU: programs are compiled when they first run. */
export type WebGpuKernel<I extends Tensors, O extends Tensors, A> = (
  host: WebGpuHost,
) => OpFunction<I, O, A> | Promise<OpFunction<I, O, A>>;

export interface GradientContext<I extends Tensors, O extends Tensors, A> {
  readonly inputs: I;
  readonly outputs: O;
  /** Gradients of the outputs; null where nothing flows back. */
  readonly dy: readonly (Tensor | null)[];
  readonly attrs: A;
  /** Which inputs a gradient is wanted for. */
  readonly needs: readonly boolean[];
}

export interface OpDefinition<I extends Tensors, O extends Tensors, A> {
  readonly name: string;
  /** The op composed of plain tensor ops: right on every backend, and the twin that each kernel is tested against. */
  readonly reference: OpFunction<I, O, A>;
  /** Gradients of the inputs, in their order; null for an input that has none. Absent: not differentiable. */
  readonly gradient?: (context: GradientContext<I, O, A>) => readonly (Tensor | null)[];
  /** What the gradient reads beside shapes; the rest is freed after the forward pass. @default both */
  readonly saves?: { readonly inputs: boolean; readonly outputs: boolean };
  readonly kernels?: {
    readonly wasm?: () => Promise<WasmKernel<I, O, A>>;
    readonly webgpu?: () => Promise<WebGpuKernel<I, O, A>>;
  };
}

/** A declared op: call it like a function. */
export type Op<I extends Tensors, O extends Tensors, A> = OpFunction<I, O, A> & {
  readonly opName: string;
  readonly definition: OpDefinition<I, O, A>;
  /** Where the op would run now: a kernel of its own, or the reference. */
  implementation(): "kernel" | "reference";
};

/**
 * Declares an op. Its gradient is the same on every backend, whether a kernel runs or the reference.
 * Mark top-level calls with `/* @__PURE__ *\/`, so that bundlers drop the ops that an app does not use.
 *
 * @returns the op: `op(inputs, attrs)` gives all outputs
 */
export function defineOp<I extends Tensors, O extends Tensors, A = Record<string, never>>(
  definition: OpDefinition<I, O, A>,
): Op<I, O, A> {
  const { name, reference, gradient, kernels, saves = { inputs: true, outputs: true } } = definition;
  let loaded: { readonly backend: RunningBackend; readonly run: OpFunction<I, O, A> } | null = null;
  const kernelOf = (backend: RunningBackend | null) =>
    loaded && loaded.backend === backend ? loaded.run : null;

  const apply = (inputs: I, attrs: A): O =>
    record(
      name,
      inputs,
      () => (kernelOf(currentBackend()) ?? reference)(inputs, attrs),
      ({ needs, save }, outputs): Backward => {
        if (!gradient) {
          throw new TypeError(
            `${name}: this op has no gradient. Keep it outside valueAndGrad, or use withoutGradient.`,
          );
        }
        const keptInputs = saves.inputs ? mapTensors(inputs, save) : inputs;
        const keptOutputs = saves.outputs ? mapTensors(outputs, save) : outputs;
        return (dy) => gradient({ inputs: keptInputs, outputs: keptOutputs, dy, attrs, needs });
      },
    );

  declareOp({
    name,
    hasKernel: (backend) => Boolean((backend.wasm && kernels?.wasm) || (backend.webgpu && kernels?.webgpu)),
    async load(backend) {
      if (kernelOf(backend)) return;
      if (backend.wasm && kernels?.wasm) {
        const kernel = await kernels.wasm();
        loaded = { backend, run: await kernel(backend.wasm) };
      } else if (backend.webgpu && kernels?.webgpu) {
        const kernel = await kernels.webgpu();
        loaded = { backend, run: await kernel(backend.webgpu) };
      }
    },
  });
  const implementation = () => (kernelOf(currentBackend()) ? ("kernel" as const) : ("reference" as const));
  return Object.assign(apply, { opName: name, definition, implementation });
}

/**
 * Loads the kernels of every op declared so far for the active backend. `useBackend` does it for the ops known
 * then; whoever loads or creates a model awaits it for those imported since.
 */
export async function loadKernels(): Promise<void> {
  await loadKernelsOf(activeBackend());
}

/** The names of declared ops that run their reference on the active backend, because it has no kernel for them. */
export function opsWithoutKernel(): string[] {
  return namesWithoutKernel(activeBackend());
}

/** `map` over a tuple of tensors, which stays one. */
function mapTensors<T extends Tensors>(tensors: T, f: (tensor: Tensor) => Tensor): T {
  return tensors.map(f) as readonly Tensor[] as T;
}
