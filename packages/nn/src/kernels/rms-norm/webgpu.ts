import { type Tensor, type Tensor1D, type WebGpuHost, type WgslProgram, wgslReduce } from "@corenet/tensor";
import { columnSums, columnSumsProgram } from "../column-sums.ts";
import type { RmsNormAttrs } from "./op.ts";

/** A workgroup for each row. */
const forward: WgslProgram = {
  name: "rmsNorm",
  reads: { x: "f32", weight: "f32" },
  writes: { y: "f32", inverse: "f32" },
  uniforms: { D: "u32", eps: "f32" },
  workgroupSize: 64,
  code: /* wgsl */ `${wgslReduce}
fn main(row: u32, local: u32) {
  let first = row * u.D;
  var squares = 0.0;
  for (var i = local; i < u.D; i += WORKGROUP) { squares += x[first + i] * x[first + i]; }
  let scale = 1.0 / sqrt(groupSum(squares, local) / f32(u.D) + u.eps);
  for (var i = local; i < u.D; i += WORKGROUP) { y[first + i] = x[first + i] * scale * weight[i]; }
  if (local == 0u) { inverse[row] = scale; }
}`,
};

/** dx = inverse · (g − u · mean(g · u)), with u = x · inverse and g = dy · weight. */
const backward: WgslProgram = {
  name: "rmsNormGrad",
  reads: { x: "f32", weight: "f32", inverse: "f32", dy: "f32" },
  writes: { dx: "f32" },
  uniforms: { D: "u32" },
  workgroupSize: 64,
  code: /* wgsl */ `${wgslReduce}
fn main(row: u32, local: u32) {
  let first = row * u.D;
  let scale = inverse[row];
  var part = 0.0;
  for (var i = local; i < u.D; i += WORKGROUP) { part += dy[first + i] * weight[i] * x[first + i] * scale; }
  let along = groupSum(part, local) / f32(u.D);
  for (var i = local; i < u.D; i += WORKGROUP) {
    dx[first + i] = scale * (dy[first + i] * weight[i] - x[first + i] * scale * along);
  }
}`,
};

/** dy · u of each column. */
const gains = columnSumsProgram({
  name: "rmsNormGrad, weight",
  reads: { x: "f32", inverse: "f32", dy: "f32" },
  terms: { gain: "dy[at] * x[at] * inverse[row]" },
});

export function rmsNorm(host: WebGpuHost) {
  return ([x, weight]: [Tensor, Tensor1D], { eps }: RmsNormAttrs): [Tensor, Tensor] => {
    const y = host.output(x.shape, "float32");
    const inverse = host.output(x.shape.slice(0, -1), "float32");
    const D = x.shape.at(-1) as number;
    host.run(forward, { x, weight, y, inverse }, { workgroups: inverse.size, uniforms: { D, eps } });
    return [y, inverse];
  };
}

export function rmsNormGrad(host: WebGpuHost) {
  return ([x, weight, inverse, dy]: [Tensor, Tensor1D, Tensor, Tensor]): [Tensor, Tensor1D] => {
    const [D] = weight.shape;
    const rows = inverse.size;
    const dx = host.output(x.shape, "float32");
    host.run(backward, { x, weight, inverse, dy, dx }, { workgroups: rows, uniforms: { D } });
    const { gain } = columnSums(host, gains, { x, inverse, dy }, { rows, D, names: ["gain"] });
    return [dx, gain];
  };
}
