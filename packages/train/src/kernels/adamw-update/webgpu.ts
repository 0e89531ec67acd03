import type { Tensor, WebGpuHost, WgslProgram } from "@corenet/tensor";
import type { AdamwTensors, AdamwUpdateAttrs } from "./op.ts";

/** One pass over the memory; rounded where the reference rounds. */
const program: WgslProgram = {
  name: "adamwUpdate",
  reads: { w: "f32", grad: "f32", m: "f32", v: "f32" },
  writes: { newW: "f32", newM: "f32", newV: "f32" },
  uniforms: {
    size: "u32",
    gradScale: "f32",
    restM: "f32", // 1 − beta1
    beta2: "f32",
    restV: "f32", // 1 − beta2
    rootCorrection: "f32", // √correction2
    eps: "f32",
    keep: "f32", // 1 − learningRate · weightDecay
    step: "f32", // learningRate / correction1
  },
  workgroupSize: 64,
  code: /* wgsl */ `
fn main(group: u32, local: u32) {
  let i = group * WORKGROUP + local;
  if (i >= u.size) { return; }
  let g = grad[i] * u.gradScale;
  let mean = m[i] + (g - m[i]) * u.restM;
  let meanSquare = v[i] * u.beta2 + g * g * u.restV;
  newW[i] = w[i] * u.keep - mean / (sqrt(meanSquare) / u.rootCorrection + u.eps) * u.step;
  newM[i] = mean;
  newV[i] = meanSquare;
}`,
};

export function adamwUpdateWebGpu(host: WebGpuHost) {
  return ([w, grad, m, v]: AdamwTensors, attrs: AdamwUpdateAttrs): [Tensor, Tensor, Tensor] => {
    const { learningRate, beta1, beta2, eps, weightDecay, correction1, correction2, gradScale } = attrs;
    const [newW, newM, newV] = [w, m, v].map((x) => host.output(x.shape, "float32")) as [
      Tensor,
      Tensor,
      Tensor,
    ];
    const uniforms = {
      size: w.size,
      gradScale,
      restM: 1 - beta1,
      beta2,
      restV: 1 - beta2,
      rootCorrection: Math.sqrt(correction2),
      eps,
      keep: 1 - learningRate * weightDecay,
      step: learningRate / correction1,
    };
    const run = { workgroups: Math.ceil(w.size / 64), uniforms };
    host.run(program, { w, grad, m, v, newW, newM, newV }, run);
    return [newW, newM, newV];
  };
}
