import { GROUP_SIZE } from "@corenet/core/quantize";
import type { WasmHost, WasmKernels } from "../../backend.ts";
import { checkIds } from "../../ops/gather.ts";
import { productParts } from "../../product-parts.ts";
import type { Tensor, Tensor1D, Tensor2D } from "../../types.ts";
import { loadModule } from "../module.ts";
import type { IntMatMulAttrs, IntMatrixAttrs, Quants, Scales } from "./op.ts";

const formats = { int8: 3, int4: 4 } as const; // as the kernels number them
const bytesPerNumber = { int8: 34 / 32, int4: 18 / 32 } as const;

const DECODE_ROOM = 160; // bytes: the kernel's constant
const CACHE_LINE = 64; // bytes
/** Rows of x that are rounded at once: the room for them stays. */
const ROWS_AT_ONCE = 512;

export async function intRows(host: WasmHost) {
  const kernels = await loadModule(host);
  return ([quants, scales, ids]: [Quants, Scales, Tensor1D], attrs: IntMatrixAttrs): [Tensor2D] => {
    const { format, rows, columns } = attrs;
    checkIds("unpackRows: ids", ids, rows);
    const [n] = ids.shape;
    const out = host.output([n, columns], "float32") as Tensor2D;
    const scratch = host.scratch(DECODE_ROOM);
    const matrix = [host.address(quants), host.address(scales), rows, Math.ceil(columns / GROUP_SIZE)];
    const places = [host.address(ids), columns, host.address(out)];
    const work = { tasks: n, grain: Math.ceil(32768 / columns) };
    host.parallel(kernels, "decodeIntRows", work, formats[format], ...matrix, ...places, scratch);
    return [out];
  };
}

export async function intMatMul(host: WasmHost) {
  const kernels = await loadModule(host);
  return ([x, quants, scales]: [Tensor, Quants, Scales], attrs: IntMatMulAttrs): [Tensor] => {
    const { format, rows, columns, transpose } = attrs;
    const [N, K] = transpose ? [columns, rows] : [rows, columns];
    const out = host.output([...x.shape.slice(0, -1), N], "float32");
    if (out.size === 0) return [out];
    const product = {
      ...{ format, M: x.size / K, N, K },
      ...{ x: host.address(x), out: host.address(out) },
      matrix: [host.address(quants), host.address(scales)],
    };
    if (transpose) byColumnsOf(host, kernels, product);
    else byRowsOf(host, kernels, product);
    return [out];
  };
}

interface Product {
  readonly format: IntMatrixAttrs["format"];
  readonly M: number;
  readonly N: number;
  readonly K: number;
  readonly x: number;
  /** Addresses of quants and scales. */
  readonly matrix: readonly number[];
  readonly out: number;
}

/** x · Wᵀ, the rows of x rounded to integers. */
function byRowsOf(host: WasmHost, kernels: WasmKernels, { format, M, N, K, x, matrix, out }: Product): void {
  const code = formats[format];
  const { threads } = host;
  const rowBytes = kernels.roundedStride?.(code, K) ?? 0;
  const ownBytes = toLines(kernels.intRowScratchBytes?.(code, K) ?? 0);
  const roundedBytes = toLines(Math.min(M, ROWS_AT_ONCE) * rowBytes);
  // One block for all threads, and behind it one for each.
  const { address: rounded } = host.scratch(toLines(roundedBytes / threads) + ownBytes);
  const own = { address: rounded + roundedBytes, stride: ownBytes };
  for (let from = 0; from < M; from += ROWS_AT_ONCE) {
    const count = Math.min(ROWS_AT_ONCE, M - from);
    const rounding = { tasks: count, grain: Math.ceil(16384 / K) };
    host.parallel(kernels, "roundRows", rounding, code, K, x + 4 * from * K, rounded);
    const sizes = { M: count, N, K, bytesPerNumber: bytesPerNumber[format], threads };
    const { byColumns, size, work } = productParts({ ...sizes, rowTile: 4 });
    const places = [rounded, ...matrix, out + 4 * from * N];
    host.parallel(kernels, "intRowParts", work, code, count, N, K, ...places, own, Number(byColumns), size);
  }
}

/** x · W, with the numbers that W stands for. */
function byColumnsOf(
  host: WasmHost,
  kernels: WasmKernels,
  { format, M, N, K, x, matrix, out }: Product,
): void {
  const scratch = host.scratch(kernels.intColumnScratchBytes?.(M, N, K) ?? 0);
  const sizes = { M, N, K, bytesPerNumber: bytesPerNumber[format], threads: host.threads };
  const { byColumns, size, work } = productParts({ ...sizes, columnTile: GROUP_SIZE });
  const places = [x, ...matrix, out];
  const parts = [Number(byColumns), size];
  host.parallel(kernels, "intColumnParts", work, formats[format], M, N, K, ...places, scratch, ...parts);
}

function toLines(bytes: number): number {
  return Math.ceil(bytes / CACHE_LINE) * CACHE_LINE;
}
