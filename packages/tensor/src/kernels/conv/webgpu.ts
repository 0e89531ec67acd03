// Convolutions as products whose matrices are read where they lie: a function gives the number of a patch, and no patch is
// copied. Each channel by itself is no product: there every invocation adds up one number.
import type { WebGpuHost, WgslProgram } from "../../backend.ts";
import { tensor } from "../../ops/create.ts";
import { sum } from "../../ops/reduce.ts";
import type { Tensor4D } from "../../types.ts";
import { type LeftMatrix, type ProductTarget, planProduct, type RightMatrix } from "../../wgsl/mat-mul.ts";
import { isDepthwise } from "./depthwise.ts";
import { joinPatches } from "./join-patches.ts";
import type { ConvAttrs, ConvInputs } from "./op.ts";
import { backwardAxes, type WalkAxis } from "./walk.ts";

const GROUP = 64;
const PIECE = 512; // pixels that one product adds up for the gradient of a weight
const PARTS = 2 ** 20; // numbers that the pieces may take together; a larger weight has workgroups enough

const patchUniforms = {
  rows: "u32",
  columns: "u32",
  height: "i32",
  width: "i32",
  channels: "u32",
  depth: "u32", // channels of a group
  tapsAcross: "u32",
  strideDown: "u32",
  strideAcross: "u32",
  dilationDown: "u32",
  dilationAcross: "u32",
  top: "i32",
  before: "i32",
} as const;

function patchValues(attrs: ConvAttrs, C: number): Record<keyof typeof patchUniforms, number> {
  const { rows, columns, channels } = joinPatches(attrs, C);
  return {
    rows: rows.output,
    columns: columns.output,
    height: rows.input,
    width: columns.input,
    channels,
    depth: channels / attrs.groups,
    tapsAcross: columns.kernel,
    strideDown: rows.stride,
    strideAcross: columns.stride,
    dilationDown: rows.dilation,
    dilationAcross: columns.dilation,
    top: rows.before,
    before: columns.before,
  };
}

/** WGSL: number k, tap after tap, of the patch of group `group` that output pixel `at` of all images meets. */
const patchCode = /* wgsl */ `
fn patchAt(group: u32, at: u32, k: u32) -> f32 {
  let tap = k / u.depth;
  let y = i32(at / u.columns % u.rows * u.strideDown + tap / u.tapsAcross * u.dilationDown) - u.top;
  let x = i32(at % u.columns * u.strideAcross + tap % u.tapsAcross * u.dilationAcross) - u.before;
  if (y < 0 || y >= u.height || x < 0 || x >= u.width) { return 0.0; }
  let row = i32(at / (u.columns * u.rows)) * u.height + y;
  return image[u32(row * u.width + x) * u.channels + group * u.depth + k % u.depth];
}`;

/** Patches as rows; with a bias, each ends in the 1 that it is multiplied by. */
const patchesLeft = (biased: boolean): LeftMatrix => ({
  name: biased ? ", patches and 1" : ", patches",
  reads: { image: "f32" },
  uniforms: patchUniforms,
  alongK: true,
  code: /* wgsl */ `${patchCode}
fn left(batch: u32, m: u32, k: u32) -> f32 {
  ${biased ? "if (k + 1u == u.K) { return 1.0; }" : ""}
  return patchAt(batch, m, k);
}`,
});

const weightRight = (biased: boolean): RightMatrix => ({
  name: biased ? "weight and bias" : "weight",
  reads: { weight: "f32", ...(biased && { bias: "f32" }) },
  uniforms: {},
  alongK: true,
  code: /* wgsl */ `
fn right(batch: u32, k: u32, n: u32) -> f32 {
  let output = batch * u.N + n;
  ${biased ? "if (k + 1u == u.K) { return bias[output]; }" : ""}
  return weight[output * (u.K - ${biased ? 1 : 0}u) + k];
}`,
});

/** [pixels, groups, N]. */
const byPixel: ProductTarget = {
  name: ", by pixel",
  uniforms: { groups: "u32" },
  code: /* wgsl */ `
fn place(batch: u32, m: u32) -> u32 { return (m * u.groups + batch) * u.N; }`,
};

const depthwiseProgram = (biased: boolean): WgslProgram => ({
  name: biased ? "conv2d, depthwise, bias" : "conv2d, depthwise",
  reads: { image: "f32", weight: "f32", ...(biased && { bias: "f32" }) },
  writes: { y: "f32" },
  uniforms: { ...patchUniforms, size: "u32", taps: "u32" },
  workgroupSize: GROUP,
  code: /* wgsl */ `${patchCode}
fn main(group: u32, local: u32) {
  let index = group * WORKGROUP + local;
  if (index >= u.size) { return; }
  let channel = index % u.channels;
  var total = ${biased ? "bias[channel]" : "0.0"};
  for (var tap = 0u; tap < u.taps; tap++) {
    total = fma(patchAt(channel, index / u.channels, tap), weight[channel * u.taps + tap], total);
  }
  y[index] = total;
}`,
});

export function conv2d(host: WebGpuHost) {
  return ([x, weight, bias]: ConvInputs, attrs: ConvAttrs): [Tensor4D] => {
    const [B, , , C] = x.shape;
    const [O] = weight.shape;
    const { groups } = attrs;
    const y = host.output([B, attrs.rows.output, attrs.columns.output, O], "float32") as Tensor4D;
    if (y.size === 0) return [y];
    const tensors = { image: x, weight, ...(bias && { bias }) };
    const depth = weight.size / O;
    if (isDepthwise(attrs, C, O)) {
      const uniforms = { ...patchValues(attrs, C), size: y.size, taps: depth };
      const run = { workgroups: Math.ceil(y.size / GROUP), uniforms };
      host.run(depthwiseProgram(Boolean(bias)), { ...tensors, y }, run);
      return [y];
    }
    const biased = Boolean(bias);
    const { program, workgroups, uniforms } = planProduct(
      { batch: groups, M: y.size / O, N: O / groups, K: depth + Number(biased) },
      { left: patchesLeft(biased), right: weightRight(biased), target: byPixel },
    );
    const run = { workgroups, uniforms: { ...uniforms, ...patchValues(attrs, C), groups } };
    host.run(program, { ...tensors, c: y }, run);
    return [y];
  };
}

const phaseUniforms = {
  groups: "u32",
  phasesDown: "u32",
  phasesAcross: "u32",
  visitedDown: "u32",
  visitedAcross: "u32",
  mostAcross: "u32", // taps of any phase
  rows: "i32",
  columns: "i32",
  height: "u32",
  width: "u32",
  outputs: "u32", // of a group
  channels: "u32",
  kernelHeight: "u32",
  kernelWidth: "u32",
} as const;

/** WGSL: what the phase of a product says of tap t of its rows, and of its columns. Five numbers for each phase. */
const phaseCode = /* wgsl */ `
fn phaseDown(batch: u32) -> u32 { return batch / u.groups / u.phasesAcross * 5u; }
fn phaseAcross(batch: u32) -> u32 { return (u.phasesDown + batch / u.groups % u.phasesAcross) * 5u; }
fn isTap(phase: u32, t: u32) -> bool { return i32(t) < phases[phase]; }
fn tapOf(phase: u32, t: u32) -> i32 { return phases[phase + 1u] + i32(t) * phases[phase + 2u]; }
fn outputOf(phase: u32, t: u32, i: u32) -> i32 { return i32(i) + phases[phase + 3u] + i32(t) * phases[phase + 4u]; }`;

/** Rows: the outputs that the pixels of a phase collect from, tap after tap. */
const arrivingLeft: LeftMatrix = {
  name: ", outputs of a phase",
  reads: { dy: "f32", phases: "i32" },
  uniforms: phaseUniforms,
  alongK: true,
  code: /* wgsl */ `${phaseCode}
fn left(batch: u32, m: u32, k: u32) -> f32 {
  let tap = k / u.outputs;
  let t = tap / u.mostAcross;
  let s = tap % u.mostAcross;
  let down = phaseDown(batch);
  let across = phaseAcross(batch);
  if (!isTap(down, t) || !isTap(across, s)) { return 0.0; }
  let row = outputOf(down, t, m / u.visitedAcross % u.visitedDown);
  let column = outputOf(across, s, m % u.visitedAcross);
  if (row < 0 || row >= u.rows || column < 0 || column >= u.columns) { return 0.0; }
  let line = i32(m / (u.visitedAcross * u.visitedDown)) * u.rows + row;
  return dy[(u32(line * u.columns + column) * u.groups + batch % u.groups) * u.outputs + k % u.outputs];
}`,
};

const turnedRight: RightMatrix = {
  name: "weight of a phase",
  reads: { weight: "f32" },
  uniforms: {},
  alongK: false,
  code: /* wgsl */ `
fn right(batch: u32, k: u32, n: u32) -> f32 {
  let tap = k / u.outputs;
  let t = tap / u.mostAcross;
  let s = tap % u.mostAcross;
  let down = phaseDown(batch);
  let across = phaseAcross(batch);
  if (!isTap(down, t) || !isTap(across, s)) { return 0.0; }
  let output = batch % u.groups * u.outputs + k % u.outputs;
  let window = (output * u.kernelHeight + u32(tapOf(down, t))) * u.kernelWidth + u32(tapOf(across, s));
  return weight[window * u.N + n];
}`,
};

const byPhase: ProductTarget = {
  name: ", by phase",
  uniforms: {},
  code: /* wgsl */ `
fn place(batch: u32, m: u32) -> u32 {
  let phase = batch / u.groups;
  let y = m / u.visitedAcross % u.visitedDown * u.phasesDown + phase / u.phasesAcross;
  let x = m % u.visitedAcross * u.phasesAcross + phase % u.phasesAcross;
  if (y >= u.height || x >= u.width) { return NOWHERE; }
  let line = m / (u.visitedAcross * u.visitedDown) * u.height + y;
  return (line * u.width + x) * u.channels + batch % u.groups * u.N;
}`,
};

const depthwiseInputGrad: WgslProgram = {
  name: "conv2dInputGrad, depthwise",
  reads: { dy: "f32", weight: "f32" },
  writes: { dx: "f32" },
  uniforms: { ...patchUniforms, size: "u32", taps: "u32" },
  workgroupSize: GROUP,
  code: /* wgsl */ `
fn main(group: u32, local: u32) {
  let index = group * WORKGROUP + local;
  if (index >= u.size) { return; }
  let channel = index % u.channels;
  let pixel = index / u.channels;
  let y = i32(pixel / u32(u.width) % u32(u.height)) + u.top;
  let x = i32(pixel % u32(u.width)) + u.before;
  let firstLine = pixel / u32(u.width * u.height) * u.rows;
  let strideDown = i32(u.strideDown);
  let strideAcross = i32(u.strideAcross);
  var total = 0.0;
  for (var tap = 0u; tap < u.taps; tap++) {
    let down = y - i32(tap / u.tapsAcross * u.dilationDown);
    let across = x - i32(tap % u.tapsAcross * u.dilationAcross);
    if (down < 0 || across < 0 || down % strideDown != 0 || across % strideAcross != 0) { continue; }
    let row = u32(down / strideDown);
    let column = u32(across / strideAcross);
    if (row >= u.rows || column >= u.columns) { continue; }
    let at = ((firstLine + row) * u.columns + column) * u.channels + channel;
    total = fma(dy[at], weight[channel * u.taps + tap], total);
  }
  dx[index] = total;
}`,
};

const mostTaps = (phases: readonly WalkAxis[]): number => Math.max(...phases.map(({ taps }) => taps));

export function conv2dInputGrad(host: WebGpuHost) {
  return ([dy, weight]: [dy: Tensor4D, weight: Tensor4D], attrs: ConvAttrs): [Tensor4D] => {
    const [B, , , O] = dy.shape;
    const { groups } = attrs;
    const C = weight.shape[3] * groups;
    const dx = host.output([B, attrs.rows.input, attrs.columns.input, C], "float32") as Tensor4D;
    if (dx.size === 0) return [dx];
    if (isDepthwise(attrs, C, O)) {
      const uniforms = { ...patchValues(attrs, C), size: dx.size, taps: weight.size / O };
      host.run(depthwiseInputGrad, { dy, weight, dx }, { workgroups: Math.ceil(dx.size / GROUP), uniforms });
      return [dx];
    }
    const joined = joinPatches(attrs, C);
    const [down, across] = [backwardAxes(joined.rows), backwardAxes(joined.columns)];
    const [mostDown, mostAcross] = [mostTaps(down), mostTaps(across)];
    const numbers = [...down, ...across].flatMap(({ taps, firstTap, kernelStep, start, tapStep }) => [
      taps,
      firstTap,
      kernelStep,
      start,
      tapStep,
    ]);
    const [visitedDown, visitedAcross] = [down[0]?.visited ?? 0, across[0]?.visited ?? 0]; // no phase has more than the first
    const [outputs, N] = [O / groups, joined.channels / groups];
    const { program, workgroups, uniforms } = planProduct(
      {
        batch: down.length * across.length * groups,
        M: B * visitedDown * visitedAcross,
        N,
        K: mostDown * mostAcross * outputs,
      },
      { left: arrivingLeft, right: turnedRight, target: byPhase },
    );
    const sides: Record<keyof typeof phaseUniforms, number> = {
      groups,
      phasesDown: down.length,
      phasesAcross: across.length,
      visitedDown,
      visitedAcross,
      mostAcross,
      rows: joined.rows.output,
      columns: joined.columns.output,
      height: joined.rows.input,
      width: joined.columns.input,
      outputs,
      channels: joined.channels,
      kernelHeight: joined.rows.kernel,
      kernelWidth: joined.columns.kernel,
    };
    const phases = tensor(Int32Array.from(numbers)); // freed with the op's other intermediates
    host.run(program, { dy, weight, phases, c: dx }, { workgroups, uniforms: { ...uniforms, ...sides } });
    return [dx];
  };
}

/** Columns: the outputs of a group; rows of the product: the pixels of a piece. */
const outputsLeft: LeftMatrix = {
  name: ", outputs of a piece",
  reads: { dy: "f32" },
  uniforms: { groups: "u32", pixels: "u32" },
  alongK: false,
  code: /* wgsl */ `
fn left(batch: u32, m: u32, k: u32) -> f32 {
  let pixel = batch / u.groups * u.K + k;
  if (pixel >= u.pixels) { return 0.0; }
  return dy[(pixel * u.groups + batch % u.groups) * u.M + m];
}`,
};

const patchesRight: RightMatrix = {
  name: "patches of a piece",
  reads: { image: "f32" },
  uniforms: patchUniforms,
  alongK: false,
  code: /* wgsl */ `${patchCode}
fn right(batch: u32, k: u32, n: u32) -> f32 {
  let pixel = batch / u.groups * u.K + k;
  if (pixel >= u.pixels) { return 0.0; }
  return patchAt(batch % u.groups, pixel, n);
}`,
};

const depthwiseWeightGrad: WgslProgram = {
  name: "conv2dWeightGrad, depthwise",
  reads: { image: "f32", dy: "f32" },
  writes: { parts: "f32" }, // [pieces, C, taps]
  uniforms: { ...patchUniforms, size: "u32", taps: "u32", pixels: "u32", piece: "u32" },
  workgroupSize: GROUP,
  code: /* wgsl */ `${patchCode}
fn main(group: u32, local: u32) {
  let index = group * WORKGROUP + local;
  if (index >= u.size) { return; }
  let channel = index % u.channels;
  let tap = index / u.channels % u.taps;
  let piece = index / (u.channels * u.taps);
  var total = 0.0;
  for (var pixel = piece * u.piece; pixel < min((piece + 1u) * u.piece, u.pixels); pixel++) {
    total = fma(patchAt(channel, pixel, tap), dy[pixel * u.channels + channel], total);
  }
  parts[(piece * u.channels + channel) * u.taps + tap] = total;
}`,
};

export function conv2dWeightGrad(host: WebGpuHost) {
  return ([x, dy]: [x: Tensor4D, dy: Tensor4D], attrs: ConvAttrs): [Tensor4D] => {
    const [, , , C] = x.shape;
    const [, , , O] = dy.shape;
    const { rows, columns, groups } = attrs;
    const shape = [O, rows.kernel, columns.kernel, C / groups];
    const pixels = dy.size / O;
    const size = shape.reduce((product, side) => product * side, 1);
    const pieces = Math.max(1, Math.min(Math.ceil(pixels / PIECE), Math.floor(PARTS / size)));
    const parts = host.output([pieces, ...shape], "float32");
    if (parts.size > 0) {
      const piece = Math.ceil(pixels / pieces);
      const uniforms = patchValues(attrs, C);
      if (isDepthwise(attrs, C, O)) {
        const taps = rows.kernel * columns.kernel;
        const run = { workgroups: Math.ceil(parts.size / GROUP) };
        const sizes = { size: parts.size, taps, pixels, piece };
        host.run(
          depthwiseWeightGrad,
          { image: x, dy, parts },
          { ...run, uniforms: { ...uniforms, ...sizes } },
        );
      } else {
        const N = parts.size / pieces / O;
        const plan = planProduct(
          { batch: pieces * groups, M: O / groups, N, K: piece },
          { left: outputsLeft, right: patchesRight },
        );
        const own = { ...plan.uniforms, ...uniforms, groups, pixels };
        host.run(plan.program, { image: x, dy, c: parts }, { workgroups: plan.workgroups, uniforms: own });
      }
    }
    return [sum(parts, { axis: 0 }) as Tensor4D];
  };
}
