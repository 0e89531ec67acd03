import type { WasmHost } from "../../backend.ts";
import { checkIds } from "../../ops/gather.ts";
import { productParts } from "../../product-parts.ts";
import type { Tensor, Tensor1D, Tensor2D } from "../../types.ts";
import { loadModule } from "../module.ts";
import type { HalfMatMulAttrs, HalfMatrixAttrs, Payload } from "./op.ts";

const formats = { f16: 1, bf16: 2 } as const; // as the kernels number them

export async function halfRows(host: WasmHost) {
  const kernels = await loadModule(host);
  return ([payload, ids]: [Payload, Tensor1D], { format, rows, columns }: HalfMatrixAttrs): [Tensor2D] => {
    checkIds("unpackRows: ids", ids, rows);
    const [n] = ids.shape;
    const out = host.output([n, columns], "float32") as Tensor2D;
    const addresses = [host.address(payload), host.address(ids), columns, host.address(out)];
    const work = { tasks: n, grain: Math.ceil(32768 / columns) };
    host.parallel(kernels, "decodeRows", work, formats[format], ...addresses);
    return [out];
  };
}

export async function halfMatMul(host: WasmHost) {
  const kernels = await loadModule(host);
  return ([x, payload]: [Tensor, Payload], attrs: HalfMatMulAttrs): [Tensor] => {
    const { format, rows, columns, transpose } = attrs;
    const [N, K] = transpose ? [columns, rows] : [rows, columns];
    const M = x.size / K;
    const out = host.output([...x.shape.slice(0, -1), N], "float32");
    const scratch = host.scratch(kernels.gemmScratchBytes?.(M, N, K) ?? 0);
    const [a, b, c] = [host.address(x), host.address(payload), host.address(out)];
    const { byColumns, size, work } = productParts({ M, N, K, bytesPerNumber: 2, threads: host.threads });
    const product = [formats[format], 0, Number(!transpose), M, N, K, a, K, b, columns, c, N, 1, 0];
    host.parallel(kernels, "gemmParts", work, ...product, scratch, Number(byColumns), size);
    return [out];
  };
}
