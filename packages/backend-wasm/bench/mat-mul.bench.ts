import { wasm } from "@corenet/backend-wasm";
import { matMul, type Tensor, takeData, tensor, useBackend } from "@corenet/tensor";
import type { Bench, BenchContext, Contender } from "../../../tools/bench/harness.ts";
import { TfjsWasm } from "../../../tools/bench/peers/tfjs-wasm.ts";

/** A product as tfjs and we are asked for it. */
interface Product {
  a: readonly number[];
  b: readonly number[];
  transposeA?: boolean;
  transposeB?: boolean;
}

interface Case extends Product {
  name: string;
  flops: number;
  /** The same numbers laid out for the peer's one fast form, plain and 2-D. */
  fastForm?: Product & { name: string };
  /** Training meets new operands at every step; inference meets the same weights again. */
  freshInputs?: boolean;
  rounds: number;
  /** @default 3 */
  warmup?: number;
}

const FORMS = [
  { name: "a b", transposeA: false, transposeB: false },
  { name: "a bT", transposeA: false, transposeB: true },
  { name: "aT b", transposeA: true, transposeB: false },
  { name: "aT bT", transposeA: true, transposeB: true },
];

const CASES: Case[] = [
  ...[512, 1024].flatMap((n) => FORMS.map((form) => square(n, form))),
  {
    name: "a b, [8, 256, 256] x [8, 256, 256]",
    a: [8, 256, 256],
    b: [8, 256, 256],
    flops: 2 * 8 * 256 ** 3,
    rounds: 10,
  },
  {
    name: "a bT, [8, 256, 256] x [8, 256, 256]T",
    a: [8, 256, 256],
    b: [8, 256, 256],
    transposeB: true,
    flops: 2 * 8 * 256 ** 3,
    rounds: 10,
  },
  {
    name: "a training step's x w, [8, 128, 128] x [128, 512]",
    a: [8, 128, 128],
    b: [128, 512],
    flops: 2 * 1024 * 128 * 512,
    fastForm: { name: "tfjs, [1024, 128] x [128, 512]", a: [1024, 128], b: [128, 512] },
    freshInputs: true,
    rounds: 20,
  },
  {
    name: "a training step's xT dy, [1024, 128]T x [1024, 512]",
    a: [1024, 128],
    b: [1024, 512],
    transposeA: true,
    flops: 2 * 1024 * 128 * 512,
    fastForm: { name: "tfjs, [128, 1024] x [1024, 512]", a: [128, 1024], b: [1024, 512] },
    freshInputs: true,
    rounds: 20,
  },
  {
    name: "decode, [1, 1024] x [1024, 1024]T",
    a: [1, 1024],
    b: [1024, 1024],
    transposeB: true,
    flops: 2 * 1024 ** 2,
    fastForm: { name: "tfjs, [1, 1024] x [1024, 1024]", a: [1, 1024], b: [1024, 1024] },
    rounds: 60,
  },
];

const bench: Bench = {
  name: "mat-mul",
  description:
    "matMul on our wasm backend, one thread, against tfjs-backend-wasm 4.22.0 as everyone gets it in Node. Where tfjs " +
    "is slow in the form asked for, the last row is its one fast form on the same numbers, laid out for it for free.",

  async run(context) {
    await useBackend(wasm());
    await using tfjs = await TfjsWasm.start();
    for (const one of CASES) await compareCase(one, tfjs, context);
  },
};

function square(size: number, form: (typeof FORMS)[number]): Case {
  const sides = { a: [size, size], b: [size, size] };
  const isPlain = !form.transposeA && !form.transposeB;
  return {
    ...sides,
    ...form,
    name: `${form.name}, ${size} x ${size} x ${size}`,
    flops: 2 * size ** 3,
    ...(!isPlain && { fastForm: { name: "tfjs, a b", ...sides } }),
    rounds: isPlain ? 20 : size > 512 ? 3 : 8,
    warmup: size > 512 && !isPlain ? 1 : 3, // tfjs takes seconds for each
  };
}

async function compareCase(one: Case, tfjs: TfjsWasm, { compare }: BenchContext): Promise<void> {
  const { name, flops, fastForm, freshInputs = false, rounds, warmup = 3 } = one;
  const [a, b] = [normalTensor(one.a), normalTensor(one.b)];
  const { transposeA = false, transposeB = false } = one;
  const ours: Contender = {
    name: "ours",
    run: async () => void (await takeData(matMul(a, b, { transposeA, transposeB }))),
  };
  const peer = (label: string, product: Product) =>
    tfjs.contender(label, {
      run: "op",
      op: "matMul",
      inputs: [product.a, product.b],
      args: [product.transposeA ?? false, product.transposeB ?? false],
      freshInputs,
    });
  const peers = [peer("tfjs", one), ...(fastForm ? [peer(fastForm.name, fastForm)] : [])];
  const probe = matMul(a, b, { transposeA, transposeB });
  const outputSize = probe.size;
  probe.dispose();
  await compare({
    name,
    ours,
    peers,
    rounds,
    warmup,
    work: { flops, bytes: 4 * (a.size + b.size + outputSize) },
  });
  a.dispose();
  b.dispose();
}

/** Values around 0, as weights and activations are: no zeros, no denormals. */
function normalTensor(shape: readonly number[]): Tensor {
  const size = shape.reduce((product, side) => product * side, 1);
  return tensor(
    Float32Array.from({ length: size }, () => Math.random() * 2 - 1),
    shape,
  );
}

export default bench;
