import { type WebGpuHost, type WgslProgram, wgslReduce } from "@corenet/tensor";
import { columnSums, columnSumsProgram } from "../column-sums.ts";
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

/** dy · u, and dy, of each column. */
const columns = columnSumsProgram({
  name: "layerNormGrad, weight and bias",
  reads: { x: "f32", center: "f32", inverse: "f32", dy: "f32" },
  terms: { gain: "dy[at] * (x[at] - center[row]) * inverse[row]", offset: "dy[at]" },
});

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
    const inputs = { x, center, inverse, dy };
    const names = ["gain", "offset"] as const;
    const { gain, offset } = columnSums(host, columns, inputs, { rows, D, names });
    return [dx, gain, offset];
  };
}
