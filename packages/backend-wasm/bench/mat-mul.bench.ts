import { availableParallelism } from "node:os";
import type { Bench, BenchContext } from "../../../tools/bench/harness.ts";
import { TfjsWasm } from "../../../tools/bench/peers/tfjs-wasm.ts";
import { Runner } from "../../../tools/bench/runner.ts";
import type { Product } from "./mat-mul-process.ts";

interface Case extends Product {
  name: string;
  flops: number;
  /** Of both operands and the result. */
  bytes: number;
  /** The same numbers laid out for the peer's one fast form, plain and 2-D. */
  fastForm?: Product & { name: string };
  /** Whether tfjs is asked for its fast form alone: in the form itself it takes a minute. */
  fastFormOnly?: boolean;
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
  ...[512, 1024, 2048].flatMap((n) => FORMS.map((form) => square(n, form))),
  ...FORMS.map((form) => batched(form)),
  {
    name: "a training step's x w, [8, 128, 128] x [128, 512]",
    a: [8, 128, 128],
    b: [128, 512],
    flops: 2 * 1024 * 128 * 512,
    bytes: 4 * (1024 * 128 + 128 * 512 + 1024 * 512),
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
    bytes: 4 * (1024 * 128 + 128 * 512 + 1024 * 512),
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
    bytes: 4 * (1024 ** 2 + 2 * 1024),
    fastForm: { name: "tfjs, [1, 1024] x [1024, 1024]", a: [1, 1024], b: [1024, 1024] },
    rounds: 60,
  },
];

const bench: Bench = {
  name: "mat-mul",
  description:
    "matMul on our wasm backend against tfjs-backend-wasm 4.22.0 as everyone gets it in Node. Where tfjs " +
    "is slow in the form asked for, the last row is its one fast form on the same numbers, laid out for it for free. Products are read back except where said. The floor is of one thread.",

  async run(context) {
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
    bytes: 4 * 3 * size ** 2,
    ...(!isPlain && { fastForm: { name: "tfjs, a b", ...sides } }),
    fastFormOnly: !isPlain && size > 1024,
    rounds: size > 1024 ? 6 : isPlain ? 20 : size > 512 ? 3 : 8,
    warmup: size > 512 && !isPlain ? 1 : 3, // tfjs takes seconds for each
  };
}

function batched(form: (typeof FORMS)[number]): Case {
  const sides = [8, 256, 256];
  const [flops, bytes] = [2 * 8 * 256 ** 3, 4 * 3 * 8 * 256 ** 2];
  return { ...form, name: `${form.name}, 8 x 256 x 256 x 256`, a: sides, b: sides, flops, bytes, rounds: 10 };
}

async function compareCase(one: Case, tfjs: TfjsWasm, { compare }: BenchContext): Promise<void> {
  const {
    name,
    flops,
    bytes,
    fastForm,
    fastFormOnly,
    freshInputs = false,
    rounds,
    warmup = 3,
    ...product
  } = one;
  const script = new URL("mat-mul-process.ts", import.meta.url);
  const start = (threads: number) => Runner.start(script, [JSON.stringify(product), String(threads)]);
  const threads = Math.min(8, availableParallelism()); // what wasm() takes
  await using ours = await start(threads);
  await using single = await start(1);
  const peer = (label: string, { a, b, transposeA = false, transposeB = false }: Product) =>
    tfjs.contender(label, {
      run: "op",
      op: "matMul",
      inputs: [a, b],
      args: [transposeA, transposeB],
      freshInputs,
    });
  await compare({
    name,
    ours: ours.contender(`ours, ${threads} threads`),
    peers: [
      single.contender("ours, one thread"),
      single.contender("ours, one thread, not read back", "kept"),
      ...(fastFormOnly ? [] : [peer("tfjs", one)]),
      ...(fastForm ? [peer(fastForm.name, fastForm)] : []),
    ],
    rounds,
    warmup,
    work: { flops, bytes },
  });
}

export default bench;
