import { type Tensor4D, type WebGpuHost, type WgslProgram, wgslReduce } from "@corenet/tensor";
import type { TokenHeadsAttrs, TokenHeadsInputs, TokenHeadsOutputs } from "./op.ts";

/** A workgroup for each head of each row. */
const program: WgslProgram = {
  name: "tokenHeads",
  reads: { qkv: "f32", queryGain: "f32", keyGain: "f32", cosines: "f32", sines: "f32" },
  writes: { q: "f32", k: "f32", v: "f32" },
  uniforms: { H: "u32", Hkv: "u32", half: "u32", eps: "f32" },
  workgroupSize: 64,
  code: /* wgsl */ `${wgslReduce}
fn main(row: u32, local: u32) {
  let heads = u.H + 2u * u.Hkv;
  let d = 2u * u.half;
  let first = row * d;
  let head = row % heads;
  let isQuery = head < u.H;
  var squares = 0.0;
  for (var i = local; i < d; i += WORKGROUP) { squares += qkv[first + i] * qkv[first + i]; }
  let scale = 1.0 / sqrt(groupSum(squares, local) / f32(d) + u.eps);
  let kvHead = row / heads * u.Hkv + (head - u.H) % u.Hkv; // of keys or values
  for (var j = local; j < u.half; j += WORKGROUP) {
    let left = qkv[first + j];
    let right = qkv[first + j + u.half];
    if (head >= u.H + u.Hkv) {
      v[kvHead * d + j] = left;
      v[kvHead * d + j + u.half] = right;
      continue;
    }
    let a = left * scale * select(keyGain[j], queryGain[j], isQuery);
    let b = right * scale * select(keyGain[j + u.half], queryGain[j + u.half], isQuery);
    let turnedA = a * cosines[j] - b * sines[j];
    let turnedB = b * cosines[j] + a * sines[j];
    if (isQuery) {
      let at = (row / heads * u.H + head) * d + j;
      q[at] = turnedA;
      q[at + u.half] = turnedB;
    } else {
      k[kvHead * d + j] = turnedA;
      k[kvHead * d + j + u.half] = turnedB;
    }
  }
}`,
};

export function tokenHeads(host: WebGpuHost) {
  return (inputs: TokenHeadsInputs, attrs: TokenHeadsAttrs): TokenHeadsOutputs => {
    const { numQueryHeads: H, numKvHeads: Hkv, eps } = attrs;
    const [qkv, queryGain, keyGain, cosines, sines] = inputs;
    const [B] = qkv.shape;
    const half = cosines.shape[1];
    const q = host.output([B, H, 1, 2 * half], "float32") as Tensor4D;
    const k = host.output([B, Hkv, 1, 2 * half], "float32") as Tensor4D;
    const v = host.output([B, Hkv, 1, 2 * half], "float32") as Tensor4D;
    const tensors = { qkv, queryGain, keyGain, cosines, sines, q, k, v };
    host.run(program, tensors, { workgroups: B * (H + 2 * Hkv), uniforms: { H, Hkv, half, eps } });
    return [q, k, v];
  };
}
