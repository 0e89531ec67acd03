import {
  type Tensor1D,
  type Tensor2D,
  type WebGpuHost,
  type WgslProgram,
  wgslMath,
  wgslReduce,
} from "@corenet/tensor";
import type { CrossEntropyAttrs, CrossEntropyGradInputs, CrossEntropyInputs } from "./op.ts";

const attributes = { V: "u32", ignoreIndex: "i32", labelSmoothing: "f32", zLoss: "f32" } as const;

/** A workgroup for each row: −log p(target) = logsumexp − logit of the target. */
const forward: WgslProgram = {
  name: "crossEntropy",
  reads: { logits: "f32", targets: "i32" },
  writes: { losses: "f32", lse: "f32" },
  uniforms: attributes,
  workgroupSize: 128,
  checks: "crossEntropy: a target",
  code: /* wgsl */ `${wgslMath}${wgslReduce}
fn main(row: u32, local: u32) {
  let first = row * u.V;
  var top = -infinity();
  for (var i = local; i < u.V; i += WORKGROUP) { top = max(top, logits[first + i]); }
  top = groupMax(top, local);
  var total = 0.0;
  var plain = 0.0;
  for (var i = local; i < u.V; i += WORKGROUP) {
    total += exponential(logits[first + i] - top);
    plain += logits[first + i];
  }
  total = groupSum(total, local);
  plain = groupSum(plain, local);
  if (local > 0u) { return; }
  let sum = top + logarithm(total);
  lse[row] = sum;
  let id = targets[row];
  losses[row] = 0.0;
  if (id == u.ignoreIndex) { return; }
  if (id < 0 || u32(id) >= u.V) {
    outOfRange(id, u.V);
    return;
  }
  var wanted = logits[first + u32(id)];
  if (u.labelSmoothing > 0.0) { wanted = mix(wanted, plain / f32(u.V), u.labelSmoothing); }
  losses[row] = sum - wanted + u.zLoss * sum * sum;
}`,
};

/** d loss / d logits = softmax · (1 + 2 z · logsumexp) − (1 − ε) · onehot(target) − ε / V. */
const backward: WgslProgram = {
  name: "crossEntropyGrad",
  reads: { logits: "f32", targets: "i32", lse: "f32", dLosses: "f32" },
  writes: { dLogits: "f32" },
  uniforms: { size: "u32", ...attributes },
  workgroupSize: 64,
  code: /* wgsl */ `${wgslMath}
fn main(group: u32, local: u32) {
  let index = group * WORKGROUP + local;
  if (index >= u.size) { return; }
  let row = index / u.V;
  if (targets[row] == u.ignoreIndex) {
    dLogits[index] = 0.0;
    return;
  }
  let hit = select(0.0, 1.0 - u.labelSmoothing, targets[row] == i32(index % u.V));
  let p = exponential(logits[index] - lse[row]);
  dLogits[index] = dLosses[row] * (p * (1.0 + 2.0 * u.zLoss * lse[row]) - hit - u.labelSmoothing / f32(u.V));
}`,
};

export function crossEntropy(host: WebGpuHost) {
  return ([logits, targets]: CrossEntropyInputs, attrs: CrossEntropyAttrs): [Tensor1D, Tensor1D] => {
    const [N, V] = logits.shape;
    const losses = host.output([N], "float32") as Tensor1D;
    const lse = host.output([N], "float32") as Tensor1D;
    host.run(forward, { logits, targets, losses, lse }, { workgroups: N, uniforms: uniformsOf(V, attrs) });
    return [losses, lse];
  };
}

export function crossEntropyGrad(host: WebGpuHost) {
  return ([logits, targets, lse, dLosses]: CrossEntropyGradInputs, attrs: CrossEntropyAttrs): [Tensor2D] => {
    const dLogits = host.output(logits.shape, "float32") as Tensor2D;
    const { size } = logits;
    const run = {
      workgroups: Math.ceil(size / 64),
      uniforms: { size, ...uniformsOf(logits.shape[1], attrs) },
    };
    host.run(backward, { logits, targets, lse, dLosses, dLogits }, run);
    return [dLogits];
  };
}

function uniformsOf(V: number, { ignoreIndex, labelSmoothing, zLoss }: CrossEntropyAttrs) {
  return { V, ignoreIndex, labelSmoothing, zLoss };
}
