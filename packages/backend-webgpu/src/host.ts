import type { DType, WebGpuHost, WgslProgram, WgslRun } from "@corenet/tensor";
import { dataIdOf, tensorFromInfo } from "@corenet/tensor/host";
import type { PooledBuffer } from "./buffer-pool.ts";
import { bindingNames } from "./shader.ts";
import type { GpuStorage } from "./storage.ts";

/** Kernels' access to the GPU. */
export function createHost(storage: GpuStorage): WebGpuHost {
  const { device } = storage.recorder;
  return {
    features: device.features as ReadonlySet<string>,
    limits: device.limits,
    adapter: adapterName(device.adapterInfo),
    output: (shape: readonly number[], dtype: DType) => tensorFromInfo(storage.output(shape, dtype)),
    run(program, tensors, run) {
      const dataIds = Object.fromEntries(
        Object.entries(tensors).map(([name, tensor]) => [name, dataIdOf(tensor)]),
      );
      runProgram(storage, program, dataIds, run);
    },
  };
}

/** "nvidia ampere (NVIDIA A100)", as much of it as there is. */
function adapterName(info: GPUAdapterInfo | undefined): string {
  const parts = [info?.vendor, info?.architecture, info?.description && `(${info.description})`];
  return parts.filter((part) => part).join(" ");
}

/** The same on handles to tensors' memory, for kernels that TensorFlow.js calls. */
export function runProgram(
  storage: GpuStorage,
  program: WgslProgram,
  dataIds: Readonly<Record<string, object>>,
  { workgroups, uniforms }: WgslRun,
): void {
  const { recorder } = storage;
  recorder.failures.check();
  const names = bindingNames(program);
  const given = Object.keys(dataIds).length;
  if (given !== names.length || !names.every((name) => name in dataIds)) {
    throw new TypeError(
      `${program.name}: got the tensors [${Object.keys(dataIds)}], expected [${names}]. Pass one for each name.`,
    );
  }
  if (!(Number.isInteger(workgroups) && workgroups >= 0)) {
    throw new RangeError(`${program.name}: workgroups is ${workgroups}, expected a non-negative integer.`);
  }
  const missing = (program.enable ?? []).find(
    (extension) => !recorder.device.features.has(extension === "f16" ? "shader-f16" : extension),
  );
  if (missing)
    throw new TypeError(`${program.name}: this device has no ${missing}. Look at host.features first.`);
  if (workgroups === 0) return;
  const buffers = names.map((name): PooledBuffer => {
    const dataId = dataIds[name] as object;
    return name in program.writes ? storage.bufferToWrite(dataId) : storage.bufferOf(dataId);
  });
  checkAliases(program, names, buffers);
  recorder.run(program, buffers, workgroups, uniforms);
}

/** WebGPU allows a buffer that is written no second name. */
function checkAliases(
  program: WgslProgram,
  names: readonly string[],
  buffers: readonly PooledBuffer[],
): void {
  buffers.forEach((buffer, i) => {
    const first = buffers.indexOf(buffer);
    if (
      first === i ||
      !((names[i] as string) in program.writes || (names[first] as string) in program.writes)
    )
      return;
    throw new TypeError(
      `${program.name}: ${names[first]} and ${names[i]} are one tensor, which is written. Declare it once, under writes.`,
    );
  });
}
