import { ShapeError } from "@corenet/core";
import { checkDType, checkShape, formatShape } from "../check.ts";
import type { ConvAxis } from "../kernels/conv/axis.ts";
import { conv2dOp } from "../kernels/conv/op.ts";
import { tidy } from "../memory.ts";
import type { Tensor, Tensor1D, Tensor3D, Tensor4D } from "../types.ts";
import { reshape } from "./shape.ts";

/** Zeros in front and behind, in steps or pixels. */
export type ConvZeros = readonly [before: number, after: number];

export interface Conv1dOptions {
  /** Added to every step of the result [outputs]. @default none */
  bias?: Tensor1D;
  /** Distance of two windows, in steps. @default 1 */
  stride?: number;
  /**
   * Zeros around x: as many on each side, or [before, after]; none, "valid"; or "same", so many that the result has
   * ⌈length / stride⌉ steps, the odd one behind. @default "valid"
   */
  padding?: "valid" | "same" | number | ConvZeros;
  /** Distance of two taps of the kernel, in steps. @default 1 */
  dilation?: number;
  /** Parts of the channels that do not see each other; divides channels and outputs. @default 1 */
  groups?: number;
}

export interface Conv2dOptions {
  /** Added to every pixel of the result [outputs]. @default none */
  bias?: Tensor1D;
  /** Distance of two windows in pixels, or that of rows and of columns. @default 1 */
  stride?: number | readonly [vertical: number, horizontal: number];
  /**
   * Zeros around x: as many on each side, or [[top, bottom], [left, right]]; none, "valid"; or "same", so many that the
   * result has ⌈side / stride⌉ pixels, the odd one below and right. @default "valid"
   */
  padding?: "valid" | "same" | number | readonly [rows: ConvZeros, columns: ConvZeros];
  /** Distance of two taps of the kernel in pixels, or that of rows and of columns. @default 1 */
  dilation?: number | readonly [vertical: number, horizontal: number];
  /** Parts of the channels that do not see each other; divides channels and outputs. As many as channels: depthwise. @default 1 */
  groups?: number;
}

/**
 * Convolution of sequences: `y[t] = bias + Σ over taps i of w[:, i] · x[t · stride + i · dilation − before]`, which is a
 * correlation, as everywhere in this field.
 *
 * @param x - [B, length, C]
 * @param weight - [outputs, kernel, C / groups]; that of a PyTorch checkpoint is `transpose(kernel, [0, 2, 1])`
 * @returns [B, ⌊(length + zeros − (kernel − 1) · dilation − 1) / stride⌋ + 1, outputs]
 * @throws ShapeError when weight or bias do not fit, or no window fits into x; RangeError when an option is no positive
 *   integer, or the groups do not divide
 */
export function conv1d(x: Tensor3D, weight: Tensor3D, options: Conv1dOptions = {}): Tensor3D {
  const { bias, stride = 1, padding = "valid", dilation = 1, groups = 1 } = options;
  checkSides("conv1d: x", x, "[B, length, C]");
  checkSides("conv1d: weight", weight, "[outputs, kernel, C / groups]");
  const [B, length, C] = x.shape;
  const [O, kernel, channels] = weight.shape;
  checkGroups("conv1d", { channels: C, outputs: O, groups });
  checkShape("conv1d: weight", weight, [O, kernel, C / groups], "Its last side is channels / groups.");
  if (bias) checkShape("conv1d: bias", bias, [O], "It must match the outputs of the weight.");
  const columns = axisOf("conv1d: the length", { input: length, kernel, stride, dilation, padding });
  return tidy(() => {
    const image = reshape(x, [B, 1, length, C]);
    const window = reshape(weight, [O, 1, kernel, channels]);
    const attrs = { rows: onePixel, columns, groups };
    const [y] = conv2dOp(bias ? [image, window, bias] : [image, window], attrs);
    return reshape(y, [B, columns.output, O]);
  });
}

/**
 * Convolution of images: `y[r, c] = bias + Σ over taps (i, j) of w[:, i, j] · x[r · stride + i · dilation − top, …]`, which
 * is a correlation, as everywhere in this field.
 *
 * @param x - [B, height, width, C]
 * @param weight - [outputs, kernel height, kernel width, C / groups]; that of a PyTorch checkpoint is
 *   `transpose(kernel, [0, 2, 3, 1])`
 * @returns [B, rows, columns, outputs], each side ⌊(side + zeros − (kernel − 1) · dilation − 1) / stride⌋ + 1
 * @throws ShapeError when weight or bias do not fit, or no window fits into x; RangeError when an option is no positive
 *   integer, or the groups do not divide
 */
export function conv2d(x: Tensor4D, weight: Tensor4D, options: Conv2dOptions = {}): Tensor4D {
  const { bias, stride = 1, padding = "valid", dilation = 1, groups = 1 } = options;
  checkSides("conv2d: x", x, "[B, height, width, C]");
  checkSides("conv2d: weight", weight, "[outputs, kernel height, kernel width, C / groups]");
  const [, height, width, C] = x.shape;
  const [O, kernelHeight, kernelWidth] = weight.shape;
  checkGroups("conv2d", { channels: C, outputs: O, groups });
  const window = [O, kernelHeight, kernelWidth, C / groups];
  checkShape("conv2d: weight", weight, window, "Its last side is channels / groups.");
  if (bias) checkShape("conv2d: bias", bias, [O], "It must match the outputs of the weight.");
  const [vertical, horizontal] = bothAxes({ stride, dilation, padding });
  const rows = axisOf("conv2d: the height", { input: height, kernel: kernelHeight, ...vertical });
  const columns = axisOf("conv2d: the width", { input: width, kernel: kernelWidth, ...horizontal });
  const [y] = conv2dOp(bias ? [x, weight, bias] : [x, weight], { rows, columns, groups });
  return y;
}

/** The side that a sequence has not. */
const onePixel: ConvAxis = { input: 1, output: 1, kernel: 1, stride: 1, dilation: 1, before: 0 };

/** What the caller says of one side. */
interface AxisOptions {
  readonly stride: number;
  readonly dilation: number;
  readonly padding: "valid" | "same" | number | ConvZeros;
}

function bothAxes({
  stride,
  dilation,
  padding,
}: Required<Pick<Conv2dOptions, "stride" | "dilation" | "padding">>): [AxisOptions, AxisOptions] {
  const [down, along] = typeof stride === "number" ? [stride, stride] : stride;
  const [below, beside] = typeof dilation === "number" ? [dilation, dilation] : dilation;
  const [rows, columns] = typeof padding === "object" ? padding : [padding, padding];
  return [
    { stride: down, dilation: below, padding: rows },
    { stride: along, dilation: beside, padding: columns },
  ];
}

function axisOf(who: string, options: AxisOptions & { input: number; kernel: number }): ConvAxis {
  const { input, kernel, stride, dilation, padding } = options;
  checkPositive(`${who}: stride`, stride);
  checkPositive(`${who}: dilation`, dilation);
  const span = (kernel - 1) * dilation + 1;
  const [before, after] = zerosOf(who, { input, span, stride, padding });
  const output = Math.floor((input + before + after - span) / stride) + 1;
  if (kernel > 0 && input > 0 && output > 0) return { input, output, kernel, stride, dilation, before };
  throw new ShapeError(
    `${who} is ${input}, with padding ${input + before + after}; the kernel of ${kernel} covers ${span}, expected at most as much. ` +
      "Pad more, or use a smaller kernel or dilation.",
  );
}

function zerosOf(
  who: string,
  { input, span, stride, padding }: { input: number; span: number } & Omit<AxisOptions, "dilation">,
): ConvZeros {
  if (padding === "valid") return [0, 0];
  if (padding === "same") {
    const total = Math.max(0, (Math.ceil(input / stride) - 1) * stride + span - input);
    return [Math.floor(total / 2), Math.ceil(total / 2)];
  }
  const zeros = typeof padding === "number" ? ([padding, padding] as const) : padding;
  if (zeros.length === 2 && zeros.every((n) => Number.isInteger(n) && n >= 0)) return zeros;
  throw new RangeError(
    `${who}: the padding is [${zeros.join(", ")}], expected two non-negative integers, "same" or "valid".`,
  );
}

function checkPositive(who: string, value: number): void {
  if (Number.isInteger(value) && value > 0) return;
  throw new RangeError(`${who} is ${value}, expected a positive integer.`);
}

function checkGroups(
  who: string,
  { channels, outputs, groups }: { channels: number; outputs: number; groups: number },
): void {
  checkPositive(`${who}: groups`, groups);
  if (channels % groups === 0 && outputs % groups === 0) return;
  throw new RangeError(
    `${who}: ${groups} groups share ${channels} channels and ${outputs} outputs, expected a divisor of both.`,
  );
}

function checkSides(who: string, tensor: Tensor, sides: string): void {
  checkDType(who, tensor, "float32");
  if (tensor.rank === sides.split(",").length) return;
  throw new ShapeError(`${who} has shape ${formatShape(tensor.shape)}, expected ${sides}.`);
}
