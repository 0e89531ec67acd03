import type { Tensor, WasmHost } from "@corenet/tensor";
import { loadModule } from "../module.ts";

const GRAIN = 8192; // elements

export async function gelu(host: WasmHost) {
  const kernels = await loadModule(host);
  return ([x]: [Tensor]): [Tensor] => {
    const y = host.output(x.shape, "float32");
    host.parallel(kernels, "gelu", { tasks: x.size, grain: GRAIN }, host.address(x), host.address(y));
    return [y];
  };
}

export async function geluGrad(host: WasmHost) {
  const kernels = await loadModule(host);
  return ([x, dy]: [Tensor, Tensor]): [Tensor] => {
    const dx = host.output(x.shape, "float32");
    const addresses = [x, dy, dx].map(host.address);
    host.parallel(kernels, "geluGrad", { tasks: x.size, grain: GRAIN }, ...addresses);
    return [dx];
  };
}
