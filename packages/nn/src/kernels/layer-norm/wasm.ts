import type { Tensor1D, WasmHost } from "@corenet/tensor";
import { loadModule } from "../module.ts";
import type {
  LayerNormAttrs,
  LayerNormGradInputs,
  LayerNormGradOutputs,
  LayerNormInputs,
  LayerNormOutputs,
} from "./op.ts";

const GRAIN = 32768; // elements

export async function layerNorm(host: WasmHost) {
  const kernels = await loadModule(host);
  return ([x, weight, bias]: LayerNormInputs, { eps }: LayerNormAttrs): LayerNormOutputs => {
    const [D] = weight.shape;
    const y = host.output(x.shape, "float32");
    const mean = host.output(x.shape.slice(0, -1), "float32");
    const inverse = host.output(mean.shape, "float32");
    const inputs = [x, weight, bias].map(host.address);
    const outputs = [y, mean, inverse].map(host.address);
    const work = { tasks: mean.size, grain: Math.ceil(GRAIN / D) };
    host.parallel(kernels, "layerNorm", work, ...inputs, D, eps, ...outputs);
    return [y, mean, inverse];
  };
}

export async function layerNormGrad(host: WasmHost) {
  const kernels = await loadModule(host);
  return ([x, weight, mean, inverse, dy]: LayerNormGradInputs): LayerNormGradOutputs => {
    const [D] = weight.shape;
    const rows = mean.size;
    const dx = host.output(x.shape, "float32");
    const dWeight = host.output([D], "float32") as Tensor1D;
    const dBias = host.output([D], "float32") as Tensor1D;
    const byRow = [x, weight, dy, mean, inverse].map(host.address);
    const byColumn = [x, dy, mean, inverse].map(host.address);
    const sums = [dWeight, dBias].map(host.address);
    const rowWork = { tasks: rows, grain: Math.ceil(GRAIN / D) };
    host.parallel(kernels, "layerNormGrad", rowWork, ...byRow, D, host.address(dx));
    const columnWork = { tasks: Math.ceil(D / 4), grain: Math.ceil(GRAIN / (4 * rows + 1)) };
    host.parallel(kernels, "layerNormGradColumns", columnWork, ...byColumn, rows, D, ...sums);
    return [dx, dWeight, dBias];
  };
}
