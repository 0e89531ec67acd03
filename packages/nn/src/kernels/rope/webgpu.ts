import type { Tensor4D, WebGpuHost, WgslProgram } from "@corenet/tensor";
import type { RopeAttrs, RopeInputs } from "./op.ts";

/** An invocation for each pair that turns together. */
const program: WgslProgram = {
  name: "rope",
  reads: { x: "f32", cosines: "f32", sines: "f32" },
  writes: { y: "f32" },
  uniforms: { pairs: "u32", T: "u32", half: "u32", group: "u32", sign: "f32" },
  workgroupSize: 64,
  code: /* wgsl */ `
fn main(group: u32, local: u32) {
  let index = group * WORKGROUP + local;
  if (index >= u.pairs) { return; }
  let j = index % u.half;
  let row = index / u.half;
  let table = row / u.group * u.T; // of the rows of the batch that have one of their own
  let angle = (table + row % u.T) * u.half + j;
  let c = cosines[angle];
  let s = sines[angle] * u.sign;
  let left = row * 2u * u.half + j;
  let right = left + u.half;
  y[left] = x[left] * c - x[right] * s;
  y[right] = x[right] * c + x[left] * s;
}`,
};

export function rope(host: WebGpuHost) {
  return ([x, cosines, sines]: RopeInputs, { sign }: RopeAttrs): [Tensor4D] => {
    const [B, H, T, d] = x.shape;
    const group = cosines.rank === 3 ? H * T : B * H * T;
    const y = host.output(x.shape, "float32") as Tensor4D;
    const pairs = x.size / 2;
    const run = { workgroups: Math.ceil(pairs / 64), uniforms: { pairs, T, half: d / 2, group, sign } };
    host.run(program, { x, cosines, sines, y }, run);
    return [y];
  };
}
