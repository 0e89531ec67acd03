import type { Tensor, WasmHost } from "@corenet/tensor";
import { loadModule } from "../module.ts";

export async function siluMul(host: WasmHost) {
  const kernels = await loadModule(host);
  return ([gateUp]: [Tensor]): [Tensor] => {
    const F = (gateUp.shape.at(-1) as number) / 2;
    const y = host.output([...gateUp.shape.slice(0, -1), F], "float32");
    const work = { tasks: y.size / F, grain: Math.ceil(8192 / F) };
    host.parallel(kernels, "siluMul", work, host.address(gateUp), F, host.address(y));
    return [y];
  };
}

export async function siluMulGrad(host: WasmHost) {
  const kernels = await loadModule(host);
  return ([gateUp, dy]: [Tensor, Tensor]): [Tensor] => {
    const F = dy.shape.at(-1) as number;
    const dGateUp = host.output(gateUp.shape, "float32");
    const [from, up] = [host.address(gateUp), host.address(dy)];
    const work = { tasks: dy.size / F, grain: Math.ceil(8192 / F) };
    host.parallel(kernels, "siluMulGrad", work, from, up, F, host.address(dGateUp));
    return [dGateUp];
  };
}
