import { availableParallelism } from "node:os";
import type { Bench, BenchContext, Comparison } from "../../../tools/bench/harness.ts";
import { TfjsWasm } from "../../../tools/bench/peers/tfjs-wasm.ts";
import { Runner } from "../../../tools/bench/runner.ts";
import type { Task } from "./matvec-process.ts";

const [ROWS, COLUMNS] = [11008, 4096]; // 180 MB as float32, 23 MB in 4 bits: beyond any cache, and within some
const threads = Math.min(8, availableParallelism()); // what wasm() takes

const bench: Bench = {
  name: "matvec",
  description:
    "Products with a matrix of LFSR seeds that stays packed, against float32: tfjs-backend-wasm 4.22.0 as everyone gets it in " +
    "Node, stock (weights [out, in], as checkpoints have them) and in its one fast form (laid out anew as [in, out]), and our " +
    "own. Floor: one thread, the bytes of float32. Codes are random.",

  async run(context) {
    await using tfjs = await TfjsWasm.start();
    for (const bits of [4, 3] as const) await matVec(context, tfjs, bits);
    for (const bits of [4, 4.5, 3] as const) await perCore(context, bits);
    for (const bits of [4, 3] as const) await decode(context, bits);
    for (const T of [8, 64, 512]) await prefill(context, tfjs, T);
  },
};

function start(task: Partial<Task>, count: number): Promise<Runner> {
  const whole: Task = {
    run: "multiply",
    rows: ROWS,
    columns: COLUMNS,
    T: 1,
    bits: 4,
    mode: "fused",
    ...task,
  };
  return Runner.start(new URL("matvec-process.ts", import.meta.url), [JSON.stringify(whole), String(count)]);
}

async function matVec({ compare, record }: BenchContext, tfjs: TfjsWasm, bits: 3 | 4): Promise<void> {
  await using ours = await start({ bits }, 1);
  await using all = await start({ bits }, threads);
  await using dense = await start({ mode: "f32" }, 1);
  const result = await compare({
    name: `${bits} bits, [1, ${COLUMNS}] x [${ROWS}, ${COLUMNS}]T`,
    ours: ours.contender("ours packed, one thread"),
    peers: [
      all.contender(`ours packed, ${threads} threads`),
      dense.contender("ours f32, one thread"),
      tfjs.contender("tfjs f32, stock", {
        run: "op",
        op: "matMul",
        inputs: [
          [1, COLUMNS],
          [ROWS, COLUMNS],
        ],
        args: [false, true],
      }),
      tfjs.contender("tfjs f32, its fast form", {
        run: "op",
        op: "matMul",
        inputs: [
          [1, COLUMNS],
          [COLUMNS, ROWS],
        ],
      }),
    ],
    rounds: 12,
    work: { flops: 2 * ROWS * COLUMNS, bytes: 4 * ROWS * COLUMNS },
  });
  for (const [i, count] of [1, threads].entries()) {
    const rate = gigaWeights(result, ROWS * COLUMNS, i);
    record(`${bits} bits, large, fused, best round, threads: ${count}, G weights/s`, rate);
  }
}

/** Short enough that a busy machine leaves some rounds alone. */
async function perCore({ compare, record }: BenchContext, bits: 3 | 4 | 4.5): Promise<void> {
  const size = { rows: 4096, columns: 1536 };
  await using ours = await start({ bits, ...size }, 1);
  const result = await compare({
    name: `${bits} bits, [1, ${size.columns}] x [${size.rows}, ${size.columns}]T`,
    ours: ours.contender("ours packed, one thread"),
    peers: [],
    rounds: 200,
  });
  const rate = gigaWeights(result, size.rows * size.columns, 0);
  record(`${bits} bits, fused, best round, one thread, G weights/s`, rate);
}

async function decode({ compare, record }: BenchContext, bits: 3 | 4): Promise<void> {
  const size = { rows: 1024, columns: 1536 };
  await using ours = await start({ run: "decode", bits, ...size }, 1);
  const result = await compare({
    name: `decode ${bits} bits to float32, [${size.rows}, ${size.columns}]`,
    ours: ours.contender("ours, one thread"),
    peers: [],
    rounds: 200,
    work: { bytes: 4 * size.rows * size.columns },
  });
  record(
    `decode ${bits} bits, best round, one thread, G weights/s`,
    gigaWeights(result, size.rows * size.columns, 0),
  );
}

async function prefill({ compare }: BenchContext, tfjs: TfjsWasm, T: number): Promise<void> {
  const [rows, columns] = [2560, 1280];
  await using ours = await start({ rows, columns, T }, 1);
  await using dense = await start({ rows, columns, T, mode: "f32" }, 1);
  await compare({
    name: `prefill, 4 bits, [${T}, ${columns}] x [${rows}, ${columns}]T`,
    ours: ours.contender("ours packed, one thread"),
    peers: [
      dense.contender("ours f32, one thread"),
      tfjs.contender("tfjs f32, its fast form", {
        run: "op",
        op: "matMul",
        inputs: [
          [T, columns],
          [columns, rows],
        ],
      }),
    ],
    rounds: 12,
    work: { flops: 2 * T * rows * columns },
  });
}

/** Of the best round, which other programs disturbed least. */
function gigaWeights({ standings }: Comparison, weights: number, contender: number): number {
  return weights / Math.min(...(standings[contender]?.ms ?? [])) / 1e6;
}

export default bench;
