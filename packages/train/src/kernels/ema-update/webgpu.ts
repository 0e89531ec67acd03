import type { Tensor, WebGpuHost, WgslProgram } from "@corenet/tensor";
import type { EmaUpdateAttrs } from "./op.ts";

const program: WgslProgram = {
  name: "emaUpdate",
  reads: { average: "f32", w: "f32" },
  writes: { y: "f32" },
  uniforms: { size: "u32", rest: "f32" },
  workgroupSize: 64,
  code: /* wgsl */ `
fn main(group: u32, local: u32) {
  let i = group * WORKGROUP + local;
  if (i < u.size) { y[i] = average[i] + (w[i] - average[i]) * u.rest; }
}`,
};

export function emaUpdateWebGpu(host: WebGpuHost) {
  return ([average, w]: [Tensor, Tensor], { decay }: EmaUpdateAttrs): [Tensor] => {
    const y = host.output(w.shape, "float32");
    const run = { workgroups: Math.ceil(w.size / 64), uniforms: { size: w.size, rest: 1 - decay } };
    host.run(program, { average, w, y }, run);
    return [y];
  };
}
