import type { DType, WgslProgram } from "@corenet/tensor";
import { replaceKernel, type TensorInfo } from "@corenet/tensor/host";
import { runProgram } from "../host.ts";
import type { GpuStorage } from "../storage.ts";

export type Inputs = Readonly<Record<string, TensorInfo>>;
export type Attributes = Readonly<Record<string, unknown>>;

/** What a kernel of TensorFlow.js works with here. Its results are the engine's; what it makes besides it frees. */
export interface KernelContext {
  readonly storage: GpuStorage;
  output(shape: readonly number[], dtype: string): TensorInfo;
  run(
    program: WgslProgram,
    tensors: Readonly<Record<string, TensorInfo>>,
    workgroups: number,
    uniforms?: Readonly<Record<string, number>>,
  ): void;
  /** Another tensor on the same memory. */
  share(x: TensorInfo, shape: readonly number[]): TensorInfo;
  free(x: TensorInfo): void;
  define(name: string, kernel: (inputs: Inputs, attributes: Attributes) => TensorInfo | TensorInfo[]): void;
}

export function createContext(storage: GpuStorage): KernelContext {
  return {
    storage,
    output: (shape, dtype) => storage.output(shape, dtype as DType),
    run(program, tensors, workgroups, uniforms) {
      const dataIds = Object.fromEntries(Object.entries(tensors).map(([name, x]) => [name, x.dataId]));
      runProgram(storage, program, dataIds, { workgroups, ...(uniforms && { uniforms }) });
    },
    share(x, shape) {
      storage.incRef(x.dataId);
      return { dataId: x.dataId, shape: [...shape], dtype: x.dtype };
    },
    free: (x) => {
      storage.disposeData(x.dataId);
    },
    define: (name, kernel) => replaceKernel(name, "webgpu", () => kernel),
  };
}

export function inputOf(inputs: Inputs, name: string): TensorInfo {
  const x = inputs[name];
  if (!x) throw new TypeError(`webgpu: the input ${name} of a kernel is missing.`);
  return x;
}

/** How a program reads the elements of a dtype. */
export function elementType(dtype: string): "f32" | "i32" | "u32" {
  if (dtype === "float32") return "f32";
  return dtype === "int32" ? "i32" : "u32";
}

const programs = new Map<string, WgslProgram>();

/** The program of this name, made once: its name must say everything that its code depends on. */
export function programOf(name: string, make: () => Omit<WgslProgram, "name">): WgslProgram {
  const known = programs.get(name) ?? { name, ...make() };
  programs.set(name, known);
  return known;
}
