import { type Tensor, type WebGpuHost, type WgslProgram, wgslMath } from "@corenet/tensor";

const forward: WgslProgram = {
  name: "siluMul",
  reads: { gateUp: "f32" },
  writes: { y: "f32" },
  uniforms: { size: "u32", F: "u32" },
  workgroupSize: 64,
  code: /* wgsl */ `${wgslMath}
fn main(group: u32, local: u32) {
  let index = group * WORKGROUP + local;
  if (index >= u.size) { return; }
  let at = index / u.F * 2u * u.F + index % u.F;
  let gate = gateUp[at];
  y[index] = gate * logistic(gate) * gateUp[at + u.F];
}`,
};

/** silu′(g) = σ(g) · (1 + g · (1 − σ(g))). */
const backward: WgslProgram = {
  name: "siluMulGrad",
  reads: { gateUp: "f32", dy: "f32" },
  writes: { dGateUp: "f32" },
  uniforms: { size: "u32", F: "u32" },
  workgroupSize: 64,
  code: /* wgsl */ `${wgslMath}
fn main(group: u32, local: u32) {
  let index = group * WORKGROUP + local;
  if (index >= u.size) { return; }
  let at = index / u.F * 2u * u.F + index % u.F;
  let gate = gateUp[at];
  let s = logistic(gate);
  dGateUp[at] = dy[index] * gateUp[at + u.F] * s * (1.0 + gate * (1.0 - s));
  dGateUp[at + u.F] = dy[index] * gate * s;
}`,
};

export function siluMul(host: WebGpuHost) {
  return ([gateUp]: [Tensor]): [Tensor] => {
    const F = (gateUp.shape.at(-1) as number) / 2;
    const y = host.output([...gateUp.shape.slice(0, -1), F], "float32");
    host.run(forward, { gateUp, y }, { workgroups: Math.ceil(y.size / 64), uniforms: { size: y.size, F } });
    return [y];
  };
}

export function siluMulGrad(host: WebGpuHost) {
  return ([gateUp, dy]: [Tensor, Tensor]): [Tensor] => {
    const F = dy.shape.at(-1) as number;
    const dGateUp = host.output(gateUp.shape, "float32");
    const run = { workgroups: Math.ceil(dy.size / 64), uniforms: { size: dy.size, F } };
    host.run(backward, { gateUp, dy, dGateUp }, run);
    return [dGateUp];
  };
}
