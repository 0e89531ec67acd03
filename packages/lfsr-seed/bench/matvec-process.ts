// What matvec.bench.ts runs in processes of their own: matvec-process.ts TASK THREADS
import { wasm } from "@corenet/backend-wasm";
import { decodeTensor, LfsrMatrix, type LfsrMode } from "@corenet/lfsr-seed";
import { linear } from "@corenet/nn";
import { range, takeData, tensor, useBackend } from "@corenet/tensor";
import { serveRuns } from "../../../tools/bench/runner.ts";
import { randomCodes } from "../test/random-codes.ts";

/** A product x [T, columns] · Wᵀ, or the decoding of W. */
export interface Task {
  run: "multiply" | "decode";
  rows: number;
  columns: number;
  T: number;
  bits: 3 | 4 | 4.5;
  /** How W is kept: packed, or as a float32 tensor. */
  mode: LfsrMode | "f32";
}

const [text = "", threads] = process.argv.slice(2);
const { run, rows, columns, T, bits, mode }: Task = JSON.parse(text);
await useBackend(wasm({ threads: Number(threads) }));
const codes = randomCodes(rows, columns, { bits });
const weight =
  mode === "f32"
    ? tensor(decodeTensor(codes), [rows, columns])
    : await LfsrMatrix.create(codes, { mode: run === "decode" ? "lazy" : mode });
const x = tensor(
  Float32Array.from({ length: T * columns }, () => Math.random() * 2 - 1),
  [T, columns],
);
const ids = range(0, rows);

serveRuns(async () => {
  const start = performance.now();
  if (run === "decode") {
    const decoded = (weight as LfsrMatrix).unpackRows(ids); // the numbers are there when it returns
    const ms = performance.now() - start;
    decoded.dispose();
    return { ms };
  }
  await takeData(linear(x, weight));
  return { ms: performance.now() - start };
});
