import type { PerThread, WasmHost, WasmKernels } from "../../backend.ts";
import { tensor } from "../../ops/create.ts";
import type { Tensor4D } from "../../types.ts";
import { loadModule } from "../module.ts";
import { joinPatches } from "./join-patches.ts";
import { type ConvAttrs, type ConvInputs, isDepthwise } from "./op.ts";
import { backwardAxes, encodeWalk, forwardAxis, type WalkAxis, type WalkSides } from "./walk.ts";

const GRAIN_FLOPS = 500_000; // ten microseconds
const GRAIN_NUMBERS = 32_768; // the same where memory is the limit
const TASK_PIXELS = 96; // a multiple of 6; their patches stay in the second cache
const TASKS_PER_THREAD = 2;

export async function conv2d(host: WasmHost) {
  const kernels = await loadModule(host);
  return ([x, weight, bias]: ConvInputs, attrs: ConvAttrs): [Tensor4D] => {
    const [B, , , C] = x.shape;
    const [O] = weight.shape;
    const y = host.output([B, attrs.rows.output, attrs.columns.output, O], "float32") as Tensor4D;
    if (y.size === 0) return [y];
    const joined = joinPatches(attrs, C);
    const walk: WalkSides = {
      ...{ batch: B, rows: forwardAxis(joined.rows), columns: forwardAxis(joined.columns) },
      ...{ sourceChannels: joined.channels, targetChannels: O, groups: attrs.groups },
    };
    const biases = bias ? host.address(bias) : 0;
    if (isDepthwise(attrs, C, O)) {
      const weights = packDepthwise(host, kernels, weight, walk);
      visitDepthwise(host, kernels, walk, host.address(x), weights, biases, host.address(y));
      return [y];
    }
    const [width, depth] = [O / attrs.groups, weight.size / O];
    const panels = host.output([kernels.convPanelFloats?.(attrs.groups, width, depth) ?? 0], "float32");
    const packing = {
      tasks: kernels.convPanels?.(attrs.groups, width) ?? 0,
      grain: grainOf(8 * depth, GRAIN_NUMBERS),
    };
    const packed = host.address(panels);
    host.parallel(kernels, "packConvWeight", packing, host.address(weight), biases, width, depth, packed);
    visit(host, kernels, walk, host.address(x), packed, host.address(y));
    return [y];
  };
}

export async function conv2dInputGrad(host: WasmHost) {
  const kernels = await loadModule(host);
  return ([dy, weight]: [dy: Tensor4D, weight: Tensor4D], attrs: ConvAttrs): [Tensor4D] => {
    const [B, , , O] = dy.shape;
    const C = weight.shape[3] * attrs.groups;
    const dx = host.output([B, attrs.rows.input, attrs.columns.input, C], "float32") as Tensor4D;
    if (dx.size === 0) return [dx];
    const { groups } = attrs;
    const joined = joinPatches(attrs, C);
    for (const rows of backwardAxes(joined.rows)) {
      for (const columns of backwardAxes(joined.columns)) {
        if (rows.visited === 0 || columns.visited === 0) continue;
        const walk: WalkSides = {
          ...{ batch: B, rows, columns, sourceChannels: O, targetChannels: joined.channels, groups },
        };
        if (isDepthwise(attrs, C, O)) {
          const weights = packDepthwise(host, kernels, weight, walk);
          visitDepthwise(host, kernels, walk, host.address(dy), weights, 0, host.address(dx));
          continue;
        }
        const [outputs, channels] = [O / groups, joined.channels / groups];
        const depth = rows.taps * columns.taps * outputs;
        const panels = host.output([kernels.convPanelFloats?.(groups, channels, depth) ?? 0], "float32");
        const packing = {
          tasks: kernels.convPanels?.(groups, channels) ?? 0,
          grain: grainOf(8 * depth, GRAIN_NUMBERS),
        };
        const packed = host.address(panels);
        const sides = [outputs, joined.rows.kernel, joined.columns.kernel, channels];
        const taps = [...kernelTaps(rows), ...kernelTaps(columns)];
        host.parallel(
          kernels,
          "packTurnedConvWeight",
          packing,
          host.address(weight),
          ...sides,
          ...taps,
          packed,
        );
        visit(host, kernels, walk, host.address(dy), packed, host.address(dx));
      }
    }
    return [dx];
  };
}

export async function conv2dWeightGrad(host: WasmHost) {
  const kernels = await loadModule(host);
  return ([x, dy]: [x: Tensor4D, dy: Tensor4D], attrs: ConvAttrs): [Tensor4D] => {
    const [B, , , C] = x.shape;
    const [, , , O] = dy.shape;
    const { rows, columns, groups } = attrs;
    const dWeight = host.output([O, rows.kernel, columns.kernel, C / groups], "float32") as Tensor4D;
    if (dWeight.size === 0) return [dWeight];
    const joined = joinPatches(attrs, C);
    const walk = addressOf(host, {
      ...{ batch: B, rows: forwardAxis(joined.rows), columns: forwardAxis(joined.columns) },
      ...{ sourceChannels: joined.channels, targetChannels: O, groups },
    });
    const [source, arriving, out] = [host.address(x), host.address(dy), host.address(dWeight)];
    const pixels = dy.size / O;
    if (isDepthwise(attrs, C, O)) {
      const taps = rows.kernel * columns.kernel;
      const scratch = host.scratch(kernels.depthwiseWeightGradScratchBytes?.(taps) ?? 0);
      const work = { tasks: Math.ceil(C / 16), grain: grainOf(16 * taps * pixels, GRAIN_NUMBERS) };
      host.parallel(kernels, "depthwiseWeightGrad", work, walk, source, arriving, out, scratch);
      return [dWeight];
    }
    const [M, N] = [O / groups, dWeight.size / O];
    const { byColumns, size, parts } = weightGradParts(M, N, Math.ceil(host.threads / groups));
    const flops = (2 * M * N * pixels) / parts;
    const scratch = host.scratch(kernels.convWeightGradScratchBytes?.(walk) ?? 0);
    const work = { tasks: groups * parts, grain: grainOf(flops, GRAIN_FLOPS) };
    const shares = [Number(byColumns), size, parts];
    host.parallel(kernels, "convWeightGrad", work, walk, source, arriving, out, ...shares, scratch);
    return [dWeight];
  };
}

/**
 * How threads share dyᵀ · patches [M, N]: each part packs all of the other side, and patches cost more than dy, so it is cut
 * between columns unless there are few.
 */
function weightGradParts(
  M: number,
  N: number,
  threads: number,
): { byColumns: boolean; size: number; parts: number } {
  const byColumns = 2 * N >= M;
  const [side, tile] = byColumns ? [N, 8] : [M, 6];
  const wanted = threads === 1 ? 1 : TASKS_PER_THREAD * threads;
  const size = Math.ceil(side / wanted / tile) * tile;
  return { byColumns, size, parts: Math.ceil(side / size) };
}

const grainOf = (perTask: number, enough: number): number =>
  Math.max(1, Math.ceil(enough / Math.max(1, perTask)));

const kernelTaps = ({ taps, firstTap, kernelStep }: WalkAxis): number[] => [taps, firstTap, kernelStep];

/** Freed with the op's other intermediates. */
function addressOf(host: WasmHost, walk: WalkSides): number {
  return host.address(tensor(encodeWalk(walk)));
}

function visit(
  host: WasmHost,
  kernels: WasmKernels,
  sides: WalkSides,
  source: number,
  panels: number,
  target: number,
): void {
  const { batch, rows, columns, sourceChannels, targetChannels, groups } = sides;
  const pixels = batch * rows.visited * columns.visited;
  const [depth, width] = [sourceChannels / groups, targetChannels / groups];
  const wanted = TASKS_PER_THREAD * host.threads;
  const taskPixels = Math.min(TASK_PIXELS, 6 * Math.ceil(pixels / 6));
  const shares = Math.ceil(wanted / (groups * Math.ceil(pixels / taskPixels)));
  const taskColumns = 8 * Math.ceil(width / 8 / shares);
  const walk = addressOf(host, sides);
  const scratch: PerThread = host.scratch(kernels.convScratchBytes?.(walk, taskPixels) ?? 0);
  const flops = 2 * taskPixels * taskColumns * depth * rows.taps * columns.taps;
  const work = {
    tasks: kernels.convTasks?.(walk, taskPixels, taskColumns) ?? 0,
    grain: grainOf(flops, GRAIN_FLOPS),
  };
  host.parallel(kernels, "convolve", work, walk, source, panels, target, taskPixels, taskColumns, scratch);
}

/** The taps that the walk meets [taps, C]. */
function packDepthwise(host: WasmHost, kernels: WasmKernels, weight: Tensor4D, walk: WalkSides): number {
  const [C, kernelHeight, kernelWidth] = weight.shape;
  const { rows, columns } = walk;
  const packed = host.output([rows.taps * columns.taps, C], "float32");
  const taps = [...kernelTaps(rows), ...kernelTaps(columns)];
  kernels.packDepthwiseWeight?.(
    host.address(weight),
    C,
    kernelHeight,
    kernelWidth,
    ...taps,
    host.address(packed),
  );
  return host.address(packed);
}

function visitDepthwise(
  host: WasmHost,
  kernels: WasmKernels,
  sides: WalkSides,
  source: number,
  weights: number,
  bias: number,
  target: number,
): void {
  const { batch, rows, columns, sourceChannels } = sides;
  const perRow = columns.visited * sourceChannels * Math.max(1, rows.taps * columns.taps);
  const work = { tasks: batch * rows.visited, grain: grainOf(perRow, GRAIN_NUMBERS * 4) };
  host.parallel(kernels, "depthwise", work, addressOf(host, sides), source, weights, bias, target);
}
