import {
  type Tensor1D,
  type Tensor2D,
  type WebGpuHost,
  type WgslProgram,
  wgslMath,
  wgslReduce,
} from "@corenet/tensor";
import type { DistillationAttrs, DistillationGradInputs, DistillationInputs } from "./op.ts";

const uniforms = { V: "u32", K: "u32", ignoreIndex: "i32", temperature: "f32", alpha: "f32" } as const;

/** A workgroup for each row: α T² KL(teacher ‖ student) + (1 − α) · −log p(target). */
const forward = (isSparse: boolean): WgslProgram => ({
  name: `distillation of ${isSparse ? "the likeliest" : "all"}`,
  reads: { student: "f32", targets: "i32", teacher: "f32", ...(isSparse ? { ids: "i32" } : {}) },
  writes: { losses: "f32", sums: "f32" },
  uniforms,
  workgroupSize: 128,
  checks: "distillationLoss: a target",
  code: /* wgsl */ `${wgslMath}${wgslReduce}
fn main(row: u32, local: u32) {
  let first = row * u.V;
  let firstTaught = row * u.K;
  let scale = 1.0 / u.temperature;
  var top = -infinity();
  for (var i = local; i < u.V; i += WORKGROUP) { top = max(top, student[first + i]); }
  top = groupMax(top, local);
  var topTaught = -infinity();
  for (var i = local; i < u.K; i += WORKGROUP) { topTaught = max(topTaught, teacher[firstTaught + i]); }
  topTaught = groupMax(topTaught, local);
  var plain = 0.0;
  var soft = 0.0;
  for (var i = local; i < u.V; i += WORKGROUP) {
    let below = student[first + i] - top;
    plain += exponential(below);
    soft += exponential(below * scale);
  }
  plain = top + logarithm(groupSum(plain, local));
  soft = top * scale + logarithm(groupSum(soft, local));
  var taught = 0.0;
  for (var i = local; i < u.K; i += WORKGROUP) { taught += exponential((teacher[firstTaught + i] - topTaught) * scale); }
  taught = topTaught * scale + logarithm(groupSum(taught, local));
  var apart = 0.0; // the sum of p * (teacher - student)
  for (var i = local; i < u.K; i += WORKGROUP) {
    let logit = teacher[firstTaught + i];
    let p = exponential(logit * scale - taught);
    let place = ${isSparse ? "u32(ids[firstTaught + i])" : "i"};
    if (p > 0.0) { apart += p * (logit - student[first + place]); }
  }
  apart = groupSum(apart, local);
  if (local > 0u) { return; }
  sums[row * 3u] = plain;
  sums[row * 3u + 1u] = soft;
  sums[row * 3u + 2u] = taught;
  let id = targets[row];
  losses[row] = 0.0;
  if (id == u.ignoreIndex) { return; }
  if (id < 0 || u32(id) >= u.V) {
    outOfRange(id, u.V);
    return;
  }
  let divergence = apart * scale - taught + soft;
  let nll = plain - student[first + u32(id)];
  losses[row] = u.alpha * u.temperature * u.temperature * divergence + (1.0 - u.alpha) * nll;
}`,
});

/** A workgroup for each row: α T (softmax(student / T) − p) + (1 − α) (softmax(student) − onehot(target)). */
const backward = (isSparse: boolean): WgslProgram => ({
  name: `distillationGrad of ${isSparse ? "the likeliest" : "all"}`,
  reads: {
    ...{ student: "f32", targets: "i32", teacher: "f32", sums: "f32", dLosses: "f32" },
    ...(isSparse ? { ids: "i32" } : {}),
  },
  writes: { dStudent: "f32" },
  uniforms,
  workgroupSize: 128,
  code: /* wgsl */ `${wgslMath}
fn main(row: u32, local: u32) {
  let first = row * u.V;
  let firstTaught = row * u.K;
  let scale = 1.0 / u.temperature;
  let id = targets[row];
  let by = select(dLosses[row], 0.0, id == u.ignoreIndex);
  let pull = by * u.alpha * u.temperature;
  let hard = by * (1.0 - u.alpha);
  for (var i = local; i < u.V; i += WORKGROUP) {
    let logit = student[first + i];
    var change = pull * exponential(logit * scale - sums[row * 3u + 1u]);
    change += hard * (exponential(logit - sums[row * 3u]) - select(0.0, 1.0, id == i32(i)));
    ${isSparse ? "" : "change -= pull * exponential(teacher[first + i] * scale - sums[row * 3u + 2u]);"}
    dStudent[first + i] = select(change, 0.0, by == 0.0);
  }
  ${
    isSparse
      ? `storageBarrier();
  for (var i = local; i < u.K; i += WORKGROUP) {
    let p = exponential(teacher[firstTaught + i] * scale - sums[row * 3u + 2u]);
    dStudent[first + u32(ids[firstTaught + i])] -= pull * p;
  }`
      : ""
  }
}`,
});

const programs = {
  all: { forward: forward(false), backward: backward(false) },
  likeliest: { forward: forward(true), backward: backward(true) },
};

export function distillation(host: WebGpuHost) {
  return (inputs: DistillationInputs, attrs: DistillationAttrs): [Tensor1D, Tensor2D] => {
    const [N] = inputs[0].shape;
    const losses = host.output([N], "float32") as Tensor1D;
    const sums = host.output([N, 3], "float32") as Tensor2D;
    const { program, arrays, run } = callOf("forward", inputs, attrs);
    host.run(program, { ...arrays, losses, sums }, run);
    return [losses, sums];
  };
}

export function distillationGrad(host: WebGpuHost) {
  return ([sums, dLosses, ...inputs]: DistillationGradInputs, attrs: DistillationAttrs): [Tensor2D] => {
    const dStudent = host.output(inputs[0].shape, "float32") as Tensor2D;
    const { program, arrays, run } = callOf("backward", inputs, attrs);
    host.run(program, { ...arrays, sums, dLosses, dStudent }, run);
    return [dStudent];
  };
}

function callOf(
  way: "forward" | "backward",
  [student, targets, teacher, ids]: DistillationInputs,
  attrs: DistillationAttrs,
) {
  const [N, V] = student.shape;
  return {
    program: programs[ids ? "likeliest" : "all"][way],
    arrays: { student, targets, teacher, ...(ids && { ids }) },
    run: { workgroups: N, uniforms: { V, K: teacher.shape[1], ...attrs } },
  };
}
