// The seam to TensorFlow.js: the one file that casts between its types and ours.
import * as tfjs from "@tensorflow/tfjs-core";
import type { DataOf, DType, Tensor } from "./types.ts";

/** What a kernel of TensorFlow.js takes and gives: a handle to memory, a shape and a dtype. */
export interface TensorInfo {
  readonly dataId: object;
  readonly shape: number[];
  readonly dtype: string;
}

type Engine = ReturnType<typeof tfjs.engine>;
type Kernel = Parameters<typeof tfjs.registerKernel>[0]["kernelFunc"];

/** The part of the engine that its types hide. */
interface EngineInternals {
  isTapeOn(): boolean;
  backendName: string | null;
}

const internals = (): EngineInternals => tfjs.engine() as unknown as EngineInternals;
const toTfjs = (t: Tensor): tfjs.Tensor => t as unknown as tfjs.Tensor;
const fromTfjs = (t: tfjs.Tensor): Tensor => t as unknown as Tensor;

/** Runs one kernel of the active backend. The result belongs to the caller or to the `tidy` around. */
export function runKernel(name: string, inputs: Record<string, Tensor>, attrs: object = {}): Tensor {
  return runKernelForAll(name, inputs, attrs) as unknown as Tensor;
}

/** Runs a kernel that has several outputs. */
export function runKernelForAll(name: string, inputs: Record<string, Tensor>, attrs: object = {}): Tensor[] {
  const named = inputs as unknown as Parameters<Engine["runKernel"]>[1];
  return tfjs
    .engine()
    .runKernel(name, named, attrs as Parameters<Engine["runKernel"]>[2]) as unknown as Tensor[];
}

/** True while TensorFlow.js itself records for its own gradients, which would not see our kernels. */
export function isTfjsRecording(): boolean {
  return internals().isTapeOn();
}

/** A tensor of the given elements, copied onto the active backend. */
export function makeTensor(values: DataOf[DType], shape: readonly number[], dtype: DType): Tensor {
  return fromTfjs(tfjs.engine().makeTensor(values, [...shape], dtype));
}

/** Wraps what a kernel made into a tensor that the current `tidy` watches over. */
export function tensorFromInfo(info: TensorInfo): Tensor {
  const handle = info as unknown as Parameters<Engine["makeTensorFromTensorInfo"]>[0];
  return fromTfjs(tfjs.engine().makeTensorFromTensorInfo(handle));
}

/** The handle to a tensor's memory, for a backend's own use. */
export function dataIdOf(t: Tensor): object {
  return toTfjs(t).dataId;
}

export function isTensor(value: unknown): value is Tensor {
  return (
    typeof value === "object" && value !== null && "dataId" in value && "shape" in value && "dispose" in value
  );
}

export function tidyScope<T>(compute: () => T): T {
  return tfjs.engine().tidy(compute as () => tfjs.TensorContainer) as T;
}

export function keepTensor<T extends Tensor>(t: T): T {
  tfjs.engine().keep(toTfjs(t));
  return t;
}

export async function readTensor(t: Tensor): Promise<DataOf[DType]> {
  return (await toTfjs(t).data()) as DataOf[DType];
}

/** Reads at once. Only for backends that hold their data on this side: cpu and wasm. */
export function readTensorSync(t: Tensor): DataOf[DType] {
  return toTfjs(t).dataSync() as DataOf[DType];
}

export function engineMemory(): { numTensors: number; numBytes: number } {
  const { numTensors, numBytes } = tfjs.engine().memory();
  return { numTensors, numBytes };
}

/** Makes the backend of this name the active one; false when it did not start. */
export async function activateBackend(name: string): Promise<boolean> {
  tfjs.env().set("PROD", true); // no banner, no warnings on the console of the app
  return tfjs.engine().setBackend(name);
}

export function activeBackendName(): string | null {
  return internals().backendName;
}

type PlainKernel = (
  inputs: Record<string, TensorInfo>,
  attrs: Record<string, unknown>,
) => TensorInfo | TensorInfo[];

/**
 * Puts a kernel in the place of a stock one, without the warning that TensorFlow.js prints.
 *
 * @param make - given the stock kernel, which throws where there is none
 */
export function replaceKernel(
  kernelName: string,
  backendName: string,
  make: (
    stock: (inputs: Record<string, TensorInfo>, attrs: Record<string, unknown>) => TensorInfo,
  ) => PlainKernel,
): void {
  const stock = tfjs.getKernel(kernelName, backendName);
  if (stock) tfjs.unregisterKernel(kernelName, backendName);
  let isSetUp = false;
  const kernel = make((inputs, attrs) => {
    if (!stock) throw new TypeError(`${kernelName}: ${backendName} has no kernel for this case.`);
    const backend = tfjs.findBackend(backendName);
    if (!isSetUp) stock.setupFunc?.(backend); // the engine sets up only what is registered
    isSetUp = true;
    return stock.kernelFunc({
      inputs,
      attrs,
      backend,
    } as unknown as Parameters<Kernel>[0]) as unknown as TensorInfo;
  });
  const kernelFunc: Kernel = ({ inputs, attrs }) =>
    kernel(
      inputs as unknown as Record<string, TensorInfo>,
      (attrs ?? {}) as Record<string, unknown>,
    ) as ReturnType<Kernel>;
  tfjs.registerKernel({ kernelName, backendName, kernelFunc });
}
