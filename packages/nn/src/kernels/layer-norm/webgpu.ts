import { sum, type Tensor1D, type WebGpuHost, type WgslProgram, wgslReduce } from "@corenet/tensor";
import type {
  LayerNormAttrs,
  LayerNormGradInputs,
  LayerNormGradOutputs,
  LayerNormInputs,
  LayerNormOutputs,
} from "./op.ts";

/** A workgroup for each row; the variance is taken around the mean, since sums of squares cancel. */
const forward: WgslProgram = {
  name: "layerNorm",
  reads: { x: "f32", weight: "f32", bias: "f32" },
  writes: { y: "f32", center: "f32", inverse: "f32" },
  uniforms: { D: "u32", eps: "f32" },
  workgroupSize: 64,
  code: /* wgsl */ `${wgslReduce}
fn main(row: u32, local: u32) {
  let first = row * u.D;
  var total = 0.0;
  for (var i = local; i < u.D; i += WORKGROUP) { total += x[first + i]; }
  let middle = groupSum(total, local) / f32(u.D);
  var squares = 0.0;
  for (var i = local; i < u.D; i += WORKGROUP) {
    let away = x[first + i] - middle;
    squares += away * away;
  }
  let scale = 1.0 / sqrt(groupSum(squares, local) / f32(u.D) + u.eps);
  for (var i = local; i < u.D; i += WORKGROUP) {
    y[first + i] = (x[first + i] - middle) * scale * weight[i] + bias[i];
  }
  if (local == 0u) {
    center[row] = middle;
    inverse[row] = scale;
  }
}`,
};

/** dx = inverse · (g − mean(g) − u · mean(g · u)), with u = (x − mean) · inverse and g = dy · weight. */
const backward: WgslProgram = {
  name: "layerNormGrad",
  reads: { x: "f32", weight: "f32", center: "f32", inverse: "f32", dy: "f32" },
  writes: { dx: "f32" },
  uniforms: { D: "u32" },
  workgroupSize: 64,
  code: /* wgsl */ `${wgslReduce}
fn main(row: u32, local: u32) {
  let first = row * u.D;
  let middle = center[row];
  let scale = inverse[row];
  var plain = 0.0;
  var along = 0.0;
  for (var i = local; i < u.D; i += WORKGROUP) {
    let g = dy[first + i] * weight[i];
    plain += g;
    along += g * (x[first + i] - middle) * scale;
  }
  plain = groupSum(plain, local) / f32(u.D);
  along = groupSum(along, local) / f32(u.D);
  for (var i = local; i < u.D; i += WORKGROUP) {
    let unit = (x[first + i] - middle) * scale;
    dx[first + i] = scale * (dy[first + i] * weight[i] - plain - unit * along);
  }
}`,
};

const PIECE = 32; // rows that one invocation adds up

/** dy · u, and dy, summed over pieces of the rows [pieces, D]. */
const columns: WgslProgram = {
  name: "layerNormGrad, weight and bias",
  reads: { x: "f32", center: "f32", inverse: "f32", dy: "f32" },
  writes: { gains: "f32", offsets: "f32" },
  uniforms: { D: "u32", rows: "u32", size: "u32" },
  workgroupSize: 64,
  code: /* wgsl */ `
fn main(group: u32, local: u32) {
  let index = group * WORKGROUP + local;
  if (index >= u.size) { return; }
  let column = index % u.D;
  let first = index / u.D * ${PIECE}u;
  var gain = 0.0;
  var offset = 0.0;
  for (var row = first; row < min(first + ${PIECE}u, u.rows); row++) {
    let at = row * u.D + column;
    gain += dy[at] * (x[at] - center[row]) * inverse[row];
    offset += dy[at];
  }
  gains[index] = gain;
  offsets[index] = offset;
}`,
};

export function layerNorm(host: WebGpuHost) {
  return ([x, weight, bias]: LayerNormInputs, { eps }: LayerNormAttrs): LayerNormOutputs => {
    const y = host.output(x.shape, "float32");
    const [center, inverse] = [
      host.output(x.shape.slice(0, -1), "float32"),
      host.output(x.shape.slice(0, -1), "float32"),
    ];
    const [D] = weight.shape;
    host.run(
      forward,
      { x, weight, bias, y, center, inverse },
      { workgroups: center.size, uniforms: { D, eps } },
    );
    return [y, center, inverse];
  };
}

export function layerNormGrad(host: WebGpuHost) {
  return ([x, weight, center, inverse, dy]: LayerNormGradInputs): LayerNormGradOutputs => {
    const [D] = weight.shape;
    const rows = inverse.size;
    const dx = host.output(x.shape, "float32");
    host.run(backward, { x, weight, center, inverse, dy, dx }, { workgroups: rows, uniforms: { D } });
    const pieces = [Math.ceil(rows / PIECE), D];
    const [gains, offsets] = [host.output(pieces, "float32"), host.output(pieces, "float32")];
    const run = { workgroups: Math.ceil(gains.size / 64), uniforms: { D, rows, size: gains.size } };
    host.run(columns, { x, center, inverse, dy, gains, offsets }, run);
    return [dx, sum(gains, { axis: 0 }) as Tensor1D, sum(offsets, { axis: 0 }) as Tensor1D];
  };
}
