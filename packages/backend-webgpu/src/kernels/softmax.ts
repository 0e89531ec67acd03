import { wgslMath, wgslReduce } from "@corenet/tensor";
import { inputOf, type KernelContext, programOf } from "./context.ts";
import { sizeOf } from "./strides.ts";

/** exp(x − max) over its sum, a workgroup for each row; rows of less than 64 elements by one invocation each. */
export function registerSoftmax(context: KernelContext): void {
  context.define("Softmax", (inputs) => {
    const logits = inputOf(inputs, "logits");
    const y = context.output(logits.shape, "float32");
    const N = logits.shape.at(-1) ?? 1;
    const rows = sizeOf(logits.shape) / (N || 1);
    const invocations = N < 64 ? 1 : N < 1024 ? 64 : 256;
    const workgroupSize = Math.max(invocations, 64);
    const program = programOf(`Softmax by ${invocations}`, () => ({
      reads: { x: "f32" },
      writes: { y: "f32" },
      uniforms: { N: "u32", rows: "u32" },
      workgroupSize,
      code: wgslMath + (invocations === 1 ? shortRows : longRows),
    }));
    const workgroups = invocations === 1 ? Math.ceil(rows / workgroupSize) : rows;
    context.run(program, { x: logits, y }, workgroups, { N, rows });
    return y;
  });
}

const shortRows = /* wgsl */ `
fn main(group: u32, local: u32) {
  let row = group * WORKGROUP + local;
  if (row >= u.rows) { return; }
  let first = row * u.N;
  var top = -infinity();
  for (var i = 0u; i < u.N; i++) { top = max(top, x[first + i]); }
  var total = 0.0;
  for (var i = 0u; i < u.N; i++) {
    let e = exponential(x[first + i] - top);
    y[first + i] = e;
    total += e;
  }
  for (var i = 0u; i < u.N; i++) { y[first + i] /= total; }
}`;

const longRows = /* wgsl */ `${wgslReduce}
fn main(group: u32, local: u32) {
  let first = group * u.N;
  var top = -infinity();
  for (var i = local; i < u.N; i += WORKGROUP) { top = max(top, x[first + i]); }
  top = groupMax(top, local);
  var total = 0.0;
  for (var i = local; i < u.N; i += WORKGROUP) {
    let e = exponential(x[first + i] - top);
    y[first + i] = e;
    total += e;
  }
  total = groupSum(total, local);
  for (var i = local; i < u.N; i += WORKGROUP) { y[first + i] /= total; }
}`;
