// Prints the table of docs/backends.md: how far each backend is from double precision, on this machine.
import { cpu } from "@corenet/backend-cpu";
import { wasm } from "@corenet/backend-wasm";
import { webgpu } from "@corenet/backend-webgpu";
import {
  div,
  exp,
  fill,
  log,
  matMul,
  rsqrt,
  sigmoid,
  softmax,
  sqrt,
  sum,
  type Tensor,
  takeData,
  tanh,
  tensor,
  useBackend,
} from "@corenet/tensor";

const points = (from: number, to: number): Float32Array =>
  Float32Array.from({ length: 20_000 }, (_, i) => from + ((to - from) * i) / 19_999);

interface Row {
  readonly name: string;
  readonly run: () => Tensor;
  readonly expected: (i: number) => number;
}

const each = (name: string, x: Float32Array, op: (x: Tensor) => Tensor, f: (x: number) => number): Row => ({
  name,
  run: () => op(tensor(x)),
  expected: (i) => f(x[i] as number),
});
const [wide, positive] = [points(-80, 80), points(1e-3, 1000)];
const terms = Float32Array.from({ length: 4096 }, (_, i) => Math.sin(i * 0.7) + 1.5);
const logits = points(-10, 10).subarray(0, 1000);
const expSum = logits.reduce((total, x) => total + Math.exp(x), 0);

const rows: Row[] = [
  each("exp, x in [-80, 80]", wide, exp, Math.exp),
  each("log, x in [0.001, 1000]", positive, log, Math.log),
  each("tanh, x in [-80, 80]", wide, tanh, Math.tanh),
  each("sigmoid, x in [-80, 80]", wide, sigmoid, (x) => 1 / (1 + Math.exp(-x))),
  each("sqrt", positive, sqrt, Math.sqrt),
  each("rsqrt", positive, rsqrt, (x) => 1 / Math.sqrt(x)),
  each(
    "div, 1 / x",
    positive,
    (x) => div(1, x),
    (x) => 1 / x,
  ),
  {
    name: "softmax of 1000",
    run: () => softmax(tensor(logits)),
    expected: (i) => Math.exp(logits[i] as number) / expSum,
  },
  {
    name: "sum of 10⁶ times 0.1",
    run: () => sum(fill([1_000_000], 0.1)),
    expected: () => 1e6 * Math.fround(0.1),
  },
  {
    name: "matMul, K = 4096",
    run: () => matMul(tensor(terms, [1, 4096]), tensor(terms, [4096, 1])),
    expected: () => terms.reduce((total, x) => total + x * x, 0),
  },
];

const errors = new Map(rows.map(({ name }) => [name, [] as string[]]));
for (const backend of [cpu(), wasm(), webgpu()]) {
  await useBackend(backend);
  for (const { name, run, expected } of rows) {
    const values = await takeData(run());
    const largest = values.reduce(
      (worst, value, i) => Math.max(worst, Math.abs(value / expected(i) - 1) || 0),
      0,
    );
    errors.get(name)?.push(largest.toExponential(1));
  }
}
console.log("| op | cpu | wasm | webgpu |\n| --- | --- | --- | --- |");
for (const [name, list] of errors) console.log(`| ${name} | ${list.join(" | ")} |`);
