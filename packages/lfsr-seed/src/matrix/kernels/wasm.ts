import {
  checkIds,
  type Tensor1D,
  type Tensor2D,
  type WasmHost,
  type WasmKernels,
  zeros,
} from "@corenet/tensor";
import { loadModule } from "./module.ts";
import type { LfsrAttrs, LfsrMatMulAttrs, Payload } from "./op.ts";

const GRAIN_NS = 10_000; // less is not worth handing to another thread
// What the kernels take on one core, about.
const DECODE_NS = 0.6; // a weight, as rows
const PANEL_NS = 0.5; // a weight, as panels
const MULTIPLY_NS = 0.04; // a multiply-add on panels
const MAT_VEC_NS = 0.3; // a weight, fused
const GROUP_NS = 500; // the tables of a group, fused

/** Vectors that are multiplied without decoding; for more it is faster to decode the weights once. */
const FUSED_VECTORS = 1;
/** Rows below which the tables of a group cost more than they spare. */
const FUSED_ROWS = 192;
const MOST_PARTS = 16;
const LEAST_GROUPS = 8;

export async function lfsrRows(host: WasmHost) {
  const kernels = await loadModule(host);
  return ([payload, ids]: [Payload, Tensor1D], { rows, columns }: LfsrAttrs): [Tensor2D] => {
    checkIds("unpackRows: ids", ids, rows);
    const [n] = ids.shape;
    const out = host.output([n, columns], "float32") as Tensor2D;
    const m = host.address(payload);
    const scratch = host.scratch(call(kernels, "decodeScratchBytes", m));
    const work = { tasks: n, grain: grain(DECODE_NS * columns) };
    host.parallel(kernels, "lfsrRows", work, m, host.address(ids), host.address(out), scratch);
    return [out];
  };
}

export async function lfsrMatMul(host: WasmHost) {
  const kernels = await loadModule(host);
  return ([x, payload]: [Tensor2D, Payload], attrs: LfsrMatMulAttrs): [Tensor2D] => {
    const { rows, columns, transpose, fused } = attrs;
    const [M] = x.shape;
    const shape = [M, transpose ? columns : rows] as const;
    if (M * rows * columns === 0) return [zeros(shape) as Tensor2D];
    const out = host.output(shape, "float32") as Tensor2D;
    const product = {
      host,
      kernels,
      m: host.address(payload),
      M,
      x: host.address(x),
      out: host.address(out),
    };
    if (transpose) multiplyTransposed(product, attrs);
    else if (fused && M <= FUSED_VECTORS && rows >= FUSED_ROWS) multiplyFused(product, attrs);
    else multiplyDecoded(product, attrs);
    return [out];
  };
}

interface Product {
  readonly host: WasmHost;
  readonly kernels: WasmKernels;
  /** Addresses of the payload, of x and of the result. */
  readonly m: number;
  readonly x: number;
  readonly out: number;
  /** Rows of x. */
  readonly M: number;
}

/** Parts of the columns, whose tables are made once, are summed in their order: as many whatever the threads. */
function multiplyFused(
  { host, kernels, m, M, x, out }: Product,
  { rows, columns, lanes, groups }: LfsrAttrs,
): void {
  const size = Math.max(LEAST_GROUPS, Math.ceil(groups / MOST_PARTS));
  const parts = Math.ceil(groups / size);
  const partial = host.address(host.output([parts, lanes], "float32"));
  const scratch = host.scratch(call(kernels, "matVecScratchBytes"));
  const work = { tasks: parts, grain: grain(size * (GROUP_NS + (MAT_VEC_NS * lanes * columns) / groups)) };
  for (let t = 0; t < M; t++) {
    host.parallel(kernels, "lfsrMatVecParts", work, m, x + t * columns * 4, size, partial, scratch);
    call(kernels, "lfsrMatVecSum", m, partial, parts, out + t * rows * 4, 0, rows);
  }
}

function multiplyDecoded({ host, kernels, m, M, x, out }: Product, { rows, columns }: LfsrAttrs): void {
  const scratch = host.scratch(call(kernels, "lfsrMatMulScratchBytes", m, M));
  const work = { tasks: Math.ceil(rows / 8), grain: grain(8 * columns * (PANEL_NS + MULTIPLY_NS * M)) };
  host.parallel(kernels, "lfsrMatMul", work, m, M, x, out, scratch);
}

function multiplyTransposed({ host, kernels, m, M, x, out }: Product, { rows, columns }: LfsrAttrs): void {
  const scratch = host.scratch(call(kernels, "lfsrTransposedScratchBytes", m, M));
  const size = call(kernels, "lfsrTransposedPart", m);
  const work = {
    tasks: Math.ceil(columns / size),
    grain: grain(size * rows * (DECODE_NS + MULTIPLY_NS * M)),
  };
  host.parallel(kernels, "lfsrMatMulTransposed", work, m, M, x, out, scratch);
}

/** How many tasks of `nanoseconds` each are worth a part of their own. */
function grain(nanoseconds: number): number {
  return Math.max(1, Math.ceil(GRAIN_NS / nanoseconds));
}

function call(kernels: WasmKernels, fn: string, ...args: number[]): number {
  return kernels[fn]?.(...args) ?? 0;
}
