import type { Tensor1D, Tensor2D, WasmHost } from "@corenet/tensor";
import { loadModule } from "../module.ts";
import type { CrossEntropyAttrs, CrossEntropyGradInputs, CrossEntropyInputs } from "./op.ts";

export async function crossEntropy(host: WasmHost) {
  const kernels = await loadModule(host);
  return ([logits, targets]: CrossEntropyInputs, attrs: CrossEntropyAttrs): [Tensor1D, Tensor1D] => {
    const [N, V] = logits.shape;
    const { ignoreIndex, labelSmoothing, zLoss } = attrs;
    const losses = host.output([N], "float32") as Tensor1D;
    const lse = host.output([N], "float32") as Tensor1D;
    const [x, t, y, z] = [logits, targets, losses, lse].map(host.address) as [number, number, number, number];
    const work = { tasks: N, grain: Math.ceil(8192 / V) };
    host.parallel(kernels, "crossEntropy", work, x, t, V, ignoreIndex, labelSmoothing, zLoss, y, z);
    return [losses, lse];
  };
}

export async function crossEntropyGrad(host: WasmHost) {
  const kernels = await loadModule(host);
  return ([logits, targets, lse, dLosses]: CrossEntropyGradInputs, attrs: CrossEntropyAttrs): [Tensor2D] => {
    const [N, V] = logits.shape;
    const { ignoreIndex, labelSmoothing, zLoss } = attrs;
    const dLogits = host.output([N, V], "float32") as Tensor2D;
    const inputs = [logits, targets, lse].map(host.address);
    const options = [V, ignoreIndex, labelSmoothing, zLoss, 1];
    const work = { tasks: N, grain: Math.ceil(8192 / V) };
    host.parallel(
      kernels,
      "crossEntropyGrad",
      work,
      ...inputs,
      ...options,
      host.address(dLosses),
      host.address(dLogits),
    );
    return [dLogits];
  };
}
