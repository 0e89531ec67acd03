import type { Tensor1D, Tensor2D, WasmHost } from "@corenet/tensor";
import { loadModule } from "../module.ts";
import type { DistillationAttrs, DistillationGradInputs, DistillationInputs } from "./op.ts";

export async function distillation(host: WasmHost) {
  const kernels = await loadModule(host);
  return (inputs: DistillationInputs, attrs: DistillationAttrs): [Tensor1D, Tensor2D] => {
    const [N, V] = inputs[0].shape;
    const losses = host.output([N], "float32") as Tensor1D;
    const sums = host.output([N, 3], "float32") as Tensor2D;
    const scratch = host.scratch(kernels.distillationScratchBytes?.(V, inputs[2].shape[1]) ?? 0);
    const outputs = [losses, sums].map(host.address);
    const work = { tasks: N, grain: Math.ceil(4096 / V) };
    host.parallel(kernels, "distillation", work, ...argumentsOf(host, inputs, attrs), ...outputs, scratch);
    return [losses, sums];
  };
}

export async function distillationGrad(host: WasmHost) {
  const kernels = await loadModule(host);
  return ([sums, dLosses, ...inputs]: DistillationGradInputs, attrs: DistillationAttrs): [Tensor2D] => {
    const [N, V] = inputs[0].shape;
    const dStudent = host.output([N, V], "float32") as Tensor2D;
    const scratch = host.scratch(kernels.distillationScratchBytes?.(V, inputs[2].shape[1]) ?? 0);
    const rest = [sums, dLosses, dStudent].map(host.address);
    const work = { tasks: N, grain: Math.ceil(4096 / V) };
    host.parallel(kernels, "distillationGrad", work, ...argumentsOf(host, inputs, attrs), ...rest, scratch);
    return [dStudent];
  };
}

/** student, targets, teacher, ids or 0, V, K, ignoreIndex, temperature, alpha: as both kernels begin. */
function argumentsOf(
  host: WasmHost,
  [student, targets, teacher, ids]: DistillationInputs,
  { ignoreIndex, temperature, alpha }: DistillationAttrs,
): number[] {
  const addresses = [...[student, targets, teacher].map(host.address), ids ? host.address(ids) : 0];
  return [...addresses, student.shape[1], teacher.shape[1], ignoreIndex, temperature, alpha];
}
