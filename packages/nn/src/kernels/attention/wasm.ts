import { type Tensor3D, type Tensor4D, tensor, type WasmHost } from "@corenet/tensor";
import { loadModule } from "../module.ts";
import type {
  AttentionAttrs,
  AttentionGradInputs,
  AttentionGradOutputs,
  AttentionInputs,
  AttentionOutputs,
} from "./op.ts";

const GRAIN_FLOPS = 250_000; // ten microseconds

export async function attention(host: WasmHost) {
  const kernels = await loadModule(host);
  return ([q, k, v]: AttentionInputs, attrs: AttentionAttrs): AttentionOutputs => {
    const [B, H, T, d] = q.shape;
    const [, Hkv] = k.shape;
    const y = host.output(q.shape, "float32") as Tensor4D;
    const lse = host.output([B, H, T], "float32") as Tensor3D;
    const sizes = sizesOf(q, k, attrs);
    const starts = startsOf(host, q, attrs);
    const scratch = host.scratch(kernels.attentionScratchBytes?.(H, Hkv, T, attrs.length, d) ?? 0);
    const tasks = kernels.attentionTasks?.(B, H, Hkv, T) ?? 0;
    const inputs = [q, k, v].map(host.address);
    const work = { tasks, grain: Math.ceil(GRAIN_FLOPS / (4 * (q.size / tasks) * attrs.length)) };
    host.parallel(
      kernels,
      "attention",
      work,
      ...inputs,
      ...sizes,
      ...starts,
      host.address(y),
      host.address(lse),
      scratch,
    );
    return [y, lse];
  };
}

export async function attentionGrad(host: WasmHost) {
  const kernels = await loadModule(host);
  return ([q, k, v, y, lse, dy]: AttentionGradInputs, attrs: AttentionAttrs): AttentionGradOutputs => {
    const [B, , T, d] = q.shape;
    const [, Hkv] = k.shape;
    const dq = host.output(q.shape, "float32") as Tensor4D;
    const dk = host.output(k.shape, "float32") as Tensor4D;
    const dv = host.output(v.shape, "float32") as Tensor4D;
    const sizes = sizesOf(q, k, attrs);
    const starts = startsOf(host, q, attrs);
    const scratch = host.scratch(kernels.attentionGradScratchBytes?.(T, attrs.length, d) ?? 0);
    const inputs = [q, k, v, y, lse, dy].map(host.address);
    const outputs = [dq, dk, dv].map(host.address);
    const tasks = B * Hkv;
    const work = { tasks, grain: Math.ceil(GRAIN_FLOPS / (10 * (q.size / tasks) * attrs.length)) };
    host.parallel(kernels, "attentionGrad", work, ...inputs, ...sizes, ...starts, ...outputs, scratch);
    return [dq, dk, dv];
  };
}

/** B, H, Hkv, T, S, capacity, d, scale, causal, past: as the kernels take them. */
function sizesOf(q: Tensor4D, k: Tensor4D, { causal, length: S }: AttentionAttrs): number[] {
  const [B, H, T, d] = q.shape;
  const [, Hkv, capacity] = k.shape;
  return [B, H, Hkv, T, S, capacity, d, d ** -0.5, Number(causal), S - T];
}

/**
 * The address of the first visible keys, or 0, and how many of them there are for a row of the batch. Freed with the
 * op's other intermediates.
 */
function startsOf(
  host: WasmHost,
  q: Tensor4D,
  { validFrom }: AttentionAttrs,
): [address: number, starts: number] {
  if (!validFrom) return [0, 1];
  return [host.address(tensor(Int32Array.from(validFrom))), validFrom.length / q.shape[0]];
}
