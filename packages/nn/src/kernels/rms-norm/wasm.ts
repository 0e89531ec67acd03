import type { Tensor, Tensor1D, WasmHost } from "@corenet/tensor";
import { loadModule } from "../module.ts";
import type { RmsNormAttrs } from "./op.ts";

export async function rmsNorm(host: WasmHost) {
  const kernels = await loadModule(host);
  return ([x, weight]: [Tensor, Tensor1D], { eps }: RmsNormAttrs): [Tensor, Tensor] => {
    const D = x.shape.at(-1) as number;
    const y = host.output(x.shape, "float32");
    const inverse = host.output(x.shape.slice(0, -1), "float32");
    const addresses = [host.address(x), host.address(weight), D, eps, host.address(y), host.address(inverse)];
    host.parallel(kernels, "rmsNorm", { tasks: inverse.size, grain: Math.ceil(32768 / D) }, ...addresses);
    return [y, inverse];
  };
}

export async function rmsNormGrad(host: WasmHost) {
  const kernels = await loadModule(host);
  return ([x, weight, inverse, dy]: [Tensor, Tensor1D, Tensor, Tensor]): [Tensor, Tensor1D] => {
    const [D] = weight.shape;
    const dx = host.output(x.shape, "float32");
    const dWeight = host.output([D], "float32") as Tensor1D;
    const { address: scratch } = host.scratch(4 * D);
    const inputs = [x, weight, dy, inverse].map(host.address);
    // Each range of rows would have a sum of its own, so one caller takes them all.
    kernels.rmsNormGrad?.(...inputs, D, host.address(dx), host.address(dWeight), scratch, 0, inverse.size);
    return [dx, dWeight];
  };
}
