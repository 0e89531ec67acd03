import type { WasmHost, WasmKernels } from "../../backend.ts";
import { tensor } from "../../ops/create.ts";
import type { Tensor4D } from "../../types.ts";
import { loadModule } from "../module.ts";
import { isDepthwise } from "./depthwise.ts";
import { joinPatches } from "./join-patches.ts";
import type { ConvAttrs, ConvInputs } from "./op.ts";
import { backwardAxes, encodeWalk, forwardAxis, type WalkAxis, type WalkSides } from "./walk.ts";

const GRAIN_FLOPS = 500_000; // ten microseconds
const GRAIN_NUMBERS = 32_768; // the same where memory is the limit
const TASK_PIXELS = 96; // a multiple of 6; their patches stay in the second cache
const TASKS_PER_THREAD = 2;

/** What the functions below run on. */
interface Machine {
  readonly host: WasmHost;
  readonly kernels: WasmKernels;
}

export async function conv2d(host: WasmHost) {
  const machine = { host, kernels: await loadModule(host) };
  return ([x, weight, bias]: ConvInputs, attrs: ConvAttrs): [Tensor4D] => {
    const [B, , , C] = x.shape;
    const [O] = weight.shape;
    const y = host.output([B, attrs.rows.output, attrs.columns.output, O], "float32") as Tensor4D;
    if (y.size === 0) return [y];
    const walk = forwardWalk(attrs, { batch: B, channels: C, outputs: O });
    const [source, target] = [host.address(x), host.address(y)];
    const biases = bias ? host.address(bias) : 0;
    if (isDepthwise(attrs, C, O)) {
      visitDepthwise(machine, walk, {
        source,
        weights: packDepthwise(machine, weight, walk),
        biases,
        target,
      });
    } else {
      visit(machine, walk, { source, panels: packWeight(machine, weight, biases, attrs.groups), target });
    }
    return [y];
  };
}

export async function conv2dInputGrad(host: WasmHost) {
  const machine = { host, kernels: await loadModule(host) };
  return ([dy, weight]: [dy: Tensor4D, weight: Tensor4D], attrs: ConvAttrs): [Tensor4D] => {
    const [B, , , O] = dy.shape;
    const { groups } = attrs;
    const C = weight.shape[3] * groups;
    const dx = host.output([B, attrs.rows.input, attrs.columns.input, C], "float32") as Tensor4D;
    if (dx.size === 0) return [dx];
    const joined = joinPatches(attrs, C);
    const window: Window = { height: joined.rows.kernel, width: joined.columns.kernel };
    const [source, target] = [host.address(dy), host.address(dx)];
    for (const rows of backwardAxes(joined.rows)) {
      for (const columns of backwardAxes(joined.columns)) {
        if (rows.visited === 0 || columns.visited === 0) continue;
        const channels = { sourceChannels: O, targetChannels: joined.channels };
        const walk: WalkSides = { batch: B, rows, columns, ...channels, groups };
        if (isDepthwise(attrs, C, O)) {
          const weights = packDepthwise(machine, weight, walk);
          visitDepthwise(machine, walk, { source, weights, biases: 0, target });
        } else {
          visit(machine, walk, { source, panels: packTurned(machine, weight, window, walk), target });
        }
      }
    }
    return [dx];
  };
}

export async function conv2dWeightGrad(host: WasmHost) {
  const machine = { host, kernels: await loadModule(host) };
  const { kernels } = machine;
  return ([x, dy]: [x: Tensor4D, dy: Tensor4D], attrs: ConvAttrs): [Tensor4D] => {
    const [B, , , C] = x.shape;
    const [, , , O] = dy.shape;
    const { rows, columns, groups } = attrs;
    const dWeight = host.output([O, rows.kernel, columns.kernel, C / groups], "float32") as Tensor4D;
    if (dWeight.size === 0) return [dWeight];
    const walk = addressOf(host, forwardWalk(attrs, { batch: B, channels: C, outputs: O }));
    const addresses = [walk, host.address(x), host.address(dy), host.address(dWeight)];
    const pixels = dy.size / O;
    if (isDepthwise(attrs, C, O)) {
      const taps = rows.kernel * columns.kernel;
      const scratch = host.scratch(kernels.depthwiseWeightGradScratchBytes?.(taps) ?? 0);
      const work = { tasks: Math.ceil(C / 16), grain: grainOf(16 * taps * pixels, GRAIN_NUMBERS) };
      host.parallel(kernels, "depthwiseWeightGrad", work, ...addresses, scratch);
      return [dWeight];
    }
    const [M, N] = [O / groups, dWeight.size / O];
    const { byColumns, size, parts } = weightGradParts(M, N, Math.ceil(host.threads / groups));
    const scratch = host.scratch(kernels.convWeightGradScratchBytes?.(walk) ?? 0);
    const work = { tasks: groups * parts, grain: grainOf((2 * M * N * pixels) / parts, GRAIN_FLOPS) };
    host.parallel(kernels, "convWeightGrad", work, ...addresses, Number(byColumns), size, parts, scratch);
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

function forwardWalk(
  attrs: ConvAttrs,
  { batch, channels, outputs }: { batch: number; channels: number; outputs: number },
): WalkSides {
  const joined = joinPatches(attrs, channels);
  const [rows, columns] = [forwardAxis(joined.rows), forwardAxis(joined.columns)];
  return {
    batch,
    rows,
    columns,
    sourceChannels: joined.channels,
    targetChannels: outputs,
    groups: attrs.groups,
  };
}

/** Bias and weight in panels of 8 outputs; freed, as all that follows, with the op's other intermediates. */
function packWeight({ host, kernels }: Machine, weight: Tensor4D, biases: number, groups: number): number {
  const [O] = weight.shape;
  const [width, depth] = [O / groups, weight.size / O];
  const { panels, work } = panelsFor({ host, kernels }, groups, width, depth);
  host.parallel(kernels, "packConvWeight", work, host.address(weight), biases, width, depth, panels);
  return panels;
}

interface Window {
  readonly height: number;
  readonly width: number;
}

/** The taps that the walk meets, in panels of 8 channels. */
function packTurned({ host, kernels }: Machine, weight: Tensor4D, window: Window, walk: WalkSides): number {
  const { rows, columns, sourceChannels, targetChannels, groups } = walk;
  const [outputs, channels] = [sourceChannels / groups, targetChannels / groups];
  const { panels, work } = panelsFor({ host, kernels }, groups, channels, rows.taps * columns.taps * outputs);
  const sides = [outputs, window.height, window.width, channels];
  const taps = [...kernelTaps(rows), ...kernelTaps(columns)];
  host.parallel(kernels, "packTurnedConvWeight", work, host.address(weight), ...sides, ...taps, panels);
  return panels;
}

function panelsFor({ host, kernels }: Machine, groups: number, width: number, depth: number) {
  const panels = host.output([kernels.convPanelFloats?.(groups, width, depth) ?? 0], "float32");
  const tasks = kernels.convPanels?.(groups, width) ?? 0;
  return { panels: host.address(panels), work: { tasks, grain: grainOf(8 * depth, GRAIN_NUMBERS) } };
}

/** The taps that the walk meets [taps, C]. */
function packDepthwise({ host, kernels }: Machine, weight: Tensor4D, { rows, columns }: WalkSides): number {
  const [C, kernelHeight, kernelWidth] = weight.shape;
  const packed = host.address(host.output([rows.taps * columns.taps, C], "float32"));
  const taps = [...kernelTaps(rows), ...kernelTaps(columns)];
  kernels.packDepthwiseWeight?.(host.address(weight), C, kernelHeight, kernelWidth, ...taps, packed);
  return packed;
}

const kernelTaps = ({ taps, firstTap, kernelStep }: WalkAxis): number[] => [taps, firstTap, kernelStep];

function visit(
  { host, kernels }: Machine,
  sides: WalkSides,
  { source, panels, target }: { source: number; panels: number; target: number },
): void {
  const { batch, rows, columns, sourceChannels, targetChannels, groups } = sides;
  const pixels = batch * rows.visited * columns.visited;
  const width = targetChannels / groups;
  const taskPixels = Math.min(TASK_PIXELS, 6 * Math.ceil(pixels / 6));
  const shares = Math.ceil((TASKS_PER_THREAD * host.threads) / (groups * Math.ceil(pixels / taskPixels)));
  const taskColumns = 8 * Math.ceil(width / 8 / shares);
  const walk = addressOf(host, sides);
  const scratch = host.scratch(kernels.convScratchBytes?.(walk, taskPixels) ?? 0);
  const flops = 2 * taskPixels * taskColumns * (sourceChannels / groups) * rows.taps * columns.taps;
  const tasks = kernels.convTasks?.(walk, taskPixels, taskColumns) ?? 0;
  const work = { tasks, grain: grainOf(flops, GRAIN_FLOPS) };
  host.parallel(kernels, "convolve", work, walk, source, panels, target, taskPixels, taskColumns, scratch);
}

function visitDepthwise(
  { host, kernels }: Machine,
  sides: WalkSides,
  { source, weights, biases, target }: { source: number; weights: number; biases: number; target: number },
): void {
  const { batch, rows, columns, sourceChannels } = sides;
  const products = columns.visited * sourceChannels * Math.max(1, rows.taps * columns.taps);
  const work = { tasks: batch * rows.visited, grain: grainOf(products, 4 * GRAIN_NUMBERS) };
  host.parallel(kernels, "depthwise", work, addressOf(host, sides), source, weights, biases, target);
}

const addressOf = (host: WasmHost, walk: WalkSides): number => host.address(tensor(encodeWalk(walk)));

/** How many tasks make up `enough` work. */
const grainOf = (perTask: number, enough: number): number =>
  Math.max(1, Math.ceil(enough / Math.max(1, perTask)));
