import { wasm } from "@corenet/backend-wasm";
import { activeBackend, conv2d, conv1d, matMul, tensor, useBackend, tidy, type Tensor } from "@corenet/tensor";
import { conv2dInputGradOp, conv2dOp, conv2dWeightGradOp } from "../../tensor/src/kernels/conv/op.ts";
const threads = Number(process.argv[2] ?? 1);
const only = process.argv[3];
await useBackend(wasm({ threads }));
const noise = (shape: number[]): any => tensor(Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => Math.random() * 2 - 1), shape);
const best = (f: () => unknown, flops: number, name: string) => {
  for (let i = 0; i < 3; i++) tidy(() => { f(); return []; });
  const t = (process as any).threadCpuUsage();
  let runs = 0, used = 0;
  do {
    for (let i = 0; i < 4; i++) tidy(() => { f(); return []; });
    runs += 4;
    const u = (process as any).threadCpuUsage(t);
    used = (u.user + u.system) / 1000;
  } while (used < 500);
  const top = used / runs;
  console.log(name.padEnd(44), top.toFixed(3).padStart(9), "ms", (flops / top / 1e6).toFixed(1).padStart(7), "GFLOPS");
};
const ax = (input: number, kernel: number, stride = 1, before = 0, after = before, dilation = 1) => ({ input, kernel, stride, before, dilation, output: Math.floor((input + before + after - (kernel - 1) * dilation - 1) / stride) + 1 });
const cases: [string, number, any, any, number, number, number][] = [
  ["3x3 56x56x64-64", 1, ax(56, 3, 1, 1), ax(56, 3, 1, 1), 64, 64, 1],
  ["3x3 28x28x128-128", 1, ax(28, 3, 1, 1), ax(28, 3, 1, 1), 128, 128, 1],
  ["3x3 7x7x512-512", 1, ax(7, 3, 1, 1), ax(7, 3, 1, 1), 512, 512, 1],
  ["3x3 s2 56x56x64-128", 1, ax(56, 3, 2, 1), ax(56, 3, 2, 1), 64, 128, 1],
  ["3x3 s2 224x224x3-32", 1, ax(224, 3, 2, 1), ax(224, 3, 2, 1), 3, 32, 1],
  ["1x1 56x56x64-256", 1, ax(56, 1), ax(56, 1), 64, 256, 1],
  ["patch 16 224x224x3-768", 1, ax(224, 16, 16), ax(224, 16, 16), 3, 768, 1],
  ["conv1d k4s2 4096x192-192", 1, ax(1, 1), ax(4096, 4, 2), 192, 192, 1],
  ["depthwise 3x3 112x112x32", 1, ax(112, 3, 1, 1), ax(112, 3, 1, 1), 32, 32, 32],
  ["depthwise 3x3 s2 112x112x64", 1, ax(112, 3, 2, 1), ax(112, 3, 2, 1), 64, 64, 64],
  ["grouped 3x3 28x28x128-128 g4", 1, ax(28, 3, 1, 1), ax(28, 3, 1, 1), 128, 128, 4],
];
const a = noise([1024, 1024]);
best(() => matMul(a, a, { transposeB: true }), 2 * 1024 ** 3, "matMul 1024");
for (const [name, B, rows, columns, C, O, groups] of cases) {
  if (only && !name.includes(only)) continue;
  const x = noise([B, rows.input, columns.input, C]);
  const w = noise([O, rows.kernel, columns.kernel, C / groups]);
  const bias = noise([O]);
  const dy = noise([B, rows.output, columns.output, O]);
  const attrs = { rows, columns, groups };
  const flops = 2 * dy.size * rows.kernel * columns.kernel * C / groups;
  best(() => conv2dOp([x, w, bias], attrs), flops, name);
  best(() => conv2dInputGradOp([dy, w], attrs), flops, "   dx");
  best(() => conv2dWeightGradOp([x, dy], attrs), flops, "   dw");
}
process.exit(0);
