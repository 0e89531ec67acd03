import type { Tensor4D, WasmHost } from "@corenet/tensor";
import { loadModule } from "../module.ts";
import type { RopeAttrs, RopeInputs } from "./op.ts";

export async function rope(host: WasmHost) {
  const kernels = await loadModule(host);
  return ([x, cos, sin]: RopeInputs, { sign }: RopeAttrs): [Tensor4D] => {
    const [B, H, T, d] = x.shape;
    const y = host.output(x.shape, "float32") as Tensor4D;
    const [from, c, s] = [x, cos, sin].map(host.address) as [number, number, number];
    const group = cos.rank === 3 ? H * T : 0; // rows of x that share a table
    const work = { tasks: B * H * T, grain: Math.ceil(32768 / d) };
    host.parallel(kernels, "rope", work, from, c, s, T, d, group, host.address(y), sign);
    return [y];
  };
}
