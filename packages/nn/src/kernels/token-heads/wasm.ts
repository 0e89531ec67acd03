import type { Tensor4D, WasmHost } from "@corenet/tensor";
import { loadModule } from "../module.ts";
import type { TokenHeadsAttrs, TokenHeadsInputs, TokenHeadsOutputs } from "./op.ts";

export async function tokenHeads(host: WasmHost) {
  const kernels = await loadModule(host);
  return (inputs: TokenHeadsInputs, attrs: TokenHeadsAttrs): TokenHeadsOutputs => {
    const { numQueryHeads: H, numKvHeads: Hkv, eps } = attrs;
    const [qkv, , , cos] = inputs;
    const [B] = qkv.shape;
    const d = 2 * cos.shape[1];
    const headBytes = 4 * d;
    const queries = host.output([B, H, 1, d], "float32") as Tensor4D;
    const keys = host.output([B, Hkv, 1, d], "float32") as Tensor4D;
    const values = host.output([B, Hkv, 1, d], "float32") as Tensor4D;
    const [x, queryGain, keyGain, c, s] = inputs.map(host.address) as [
      number,
      number,
      number,
      number,
      number,
    ];
    const [q, k, v] = [queries, keys, values].map(host.address) as [number, number, number];
    const turn = (from: number, gain: number, to: number, count: number): void => {
      kernels.rmsNorm?.(from, gain, d, eps, to, 0, 0, count);
      kernels.rope?.(to, c, s, 1, d, 0, to, 1, 0, count);
    };
    const heap = new Uint8Array(host.memory.buffer);
    for (let b = 0; b < B; b++) {
      const from = x + b * (H + 2 * Hkv) * headBytes;
      const kvAt = b * Hkv * headBytes;
      turn(from, queryGain, q + b * H * headBytes, H);
      turn(from + H * headBytes, keyGain, k + kvAt, Hkv);
      const valuesFrom = from + (H + Hkv) * headBytes;
      heap.copyWithin(v + kvAt, valuesFrom, valuesFrom + Hkv * headBytes);
    }
    return [queries, keys, values];
  };
}
