import { GROUP_SIZE } from "@corenet/core/quantize";
import type { WasmHost } from "../../backend.ts";
import { checkIds } from "../../ops/gather.ts";
import { productParts } from "../../product-parts.ts";
import type { Tensor, Tensor1D, Tensor2D } from "../../types.ts";
import { loadModule } from "../module.ts";
import type { IntMatMulAttrs, IntMatrixAttrs, Quants, Scales } from "./op.ts";

const formats = { int8: 3, int4: 4 } as const; // as the kernels number them
const bytesPerNumber = { int8: 34 / 32, int4: 18 / 32 } as const;

export async function intRows(host: WasmHost) {
  const kernels = await loadModule(host);
  return ([quants, scales, ids]: [Quants, Scales, Tensor1D], attrs: IntMatrixAttrs): [Tensor2D] => {
    const { format, rows, columns } = attrs;
    checkIds("unpackRows: ids", ids, rows);
    const [n] = ids.shape;
    const out = host.output([n, columns], "float32") as Tensor2D;
    const scratch = host.scratch(4 * GROUP_SIZE);
    const matrix = [host.address(quants), host.address(scales), Math.ceil(columns / GROUP_SIZE)];
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
    const M = x.size / K;
    const transB = Number(!transpose);
    const out = host.output([...x.shape.slice(0, -1), N], "float32");
    if (out.size === 0) return [out];
    const scratch = host.scratch(kernels.intScratchBytes?.(transB, M, N, K) ?? 0);
    const [a, q, s] = [host.address(x), host.address(quants), host.address(scales)];
    const sizes = { M, N, K, bytesPerNumber: bytesPerNumber[format], threads: host.threads };
    const { byColumns, size, work } = productParts({ ...sizes, columnTile: GROUP_SIZE });
    const matrix = [a, q, s, Math.ceil(columns / GROUP_SIZE), host.address(out)];
    const parts = [scratch, Number(byColumns), size];
    host.parallel(kernels, "intParts", work, formats[format], transB, M, N, K, ...matrix, ...parts);
    return [out];
  };
}
