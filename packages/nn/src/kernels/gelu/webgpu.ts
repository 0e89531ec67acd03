import { type Tensor, type WebGpuHost, type WgslProgram, wgslMath } from "@corenet/tensor";
import { COEFFICIENTS } from "./reference.ts";

/** Φ(x) as in the reference, from e = e^(−x²/2), by the scheme of Horner. */
const normalMass = /* wgsl */ `
fn normalMass(x: f32, e: f32) -> f32 {
  let t = 1.0 / (1.0 + 0.305 * abs(x));
  var p = ${COEFFICIENTS[0]};
  ${COEFFICIENTS.slice(1)
    .map((coefficient) => `p = fma(p, t, ${coefficient});`)
    .join("\n  ")}
  let tail = e * t * p;
  return select(1.0 - tail, tail, x < 0.0);
}`;

const forward: WgslProgram = {
  name: "gelu",
  reads: { x: "f32" },
  writes: { y: "f32" },
  uniforms: { size: "u32" },
  workgroupSize: 64,
  code: /* wgsl */ `${wgslMath}${normalMass}
fn main(group: u32, local: u32) {
  let i = group * WORKGROUP + local;
  if (i < u.size) { y[i] = x[i] * normalMass(x[i], exponential(-0.5 * x[i] * x[i])); }
}`,
};

/** d/dx x Φ(x) = Φ(x) + x φ(x), with φ(x) = e^(−x²/2) / √(2π). */
const backward: WgslProgram = {
  name: "geluGrad",
  reads: { x: "f32", dy: "f32" },
  writes: { dx: "f32" },
  uniforms: { size: "u32" },
  workgroupSize: 64,
  code: /* wgsl */ `${wgslMath}${normalMass}
fn main(group: u32, local: u32) {
  let i = group * WORKGROUP + local;
  if (i >= u.size) { return; }
  let e = exponential(-0.5 * x[i] * x[i]);
  dx[i] = dy[i] * (normalMass(x[i], e) + x[i] * e * ${1 / Math.sqrt(2 * Math.PI)});
}`,
};

export function gelu(host: WebGpuHost) {
  return ([x]: [Tensor]): [Tensor] => {
    const y = host.output(x.shape, "float32");
    host.run(forward, { x, y }, { workgroups: Math.ceil(x.size / 64), uniforms: { size: x.size } });
    return [y];
  };
}

export function geluGrad(host: WebGpuHost) {
  return ([x, dy]: [Tensor, Tensor]): [Tensor] => {
    const dx = host.output(x.shape, "float32");
    host.run(backward, { x, dy, dx }, { workgroups: Math.ceil(x.size / 64), uniforms: { size: x.size } });
    return [dx];
  };
}
