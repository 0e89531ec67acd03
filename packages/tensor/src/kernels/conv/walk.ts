import type { ConvAxis } from "./axis.ts";
import { phaseTaps } from "./phase-taps.ts";

/** Which pixels of one side of the target are visited, and which of the source's each of them meets. */
export interface WalkAxis {
  /** Pixels of the target from the first on, `step` apart. */
  readonly visited: number;
  readonly first: number;
  readonly step: number;
  readonly target: number;
  readonly source: number;
  /** Visited pixel i meets pixel i · stride + start + t · tapStep of the source with tap t. */
  readonly taps: number;
  readonly stride: number;
  readonly start: number;
  readonly tapStep: number;
  /** Which tap of the kernel tap t is: firstTap + t · kernelStep. */
  readonly firstTap: number;
  readonly kernelStep: number;
}

/** From the image to the result. */
export function forwardAxis({ input, output, kernel, stride, dilation, before }: ConvAxis): WalkAxis {
  return {
    visited: output,
    first: 0,
    step: 1,
    target: output,
    source: input,
    taps: kernel,
    stride,
    start: -before,
    tapStep: dilation,
    firstTap: 0,
    kernelStep: 1,
  };
}

/** From the result back to the image, one phase of its pixels for each step of the stride. */
export function backwardAxes(axis: ConvAxis): WalkAxis[] {
  return Array.from({ length: axis.stride }, (_, phase) => {
    const { pixels, taps, firstTap, tapStep, firstOutput, outputStep } = phaseTaps(axis, phase);
    return {
      visited: pixels,
      first: phase,
      step: axis.stride,
      target: axis.input,
      source: axis.output,
      taps,
      stride: 1,
      start: firstOutput,
      tapStep: outputStep,
      firstTap,
      kernelStep: tapStep,
    };
  });
}

export interface WalkSides {
  readonly batch: number;
  readonly rows: WalkAxis;
  readonly columns: WalkAxis;
  readonly sourceChannels: number;
  readonly targetChannels: number;
  readonly groups: number;
}

/** The walk as the kernels read it: the fields of `Walk` in assembly/walk.ts, in their order. */
export function encodeWalk({
  batch,
  rows,
  columns,
  sourceChannels,
  targetChannels,
  groups,
}: WalkSides): Int32Array {
  return Int32Array.of(
    ...[batch, rows.visited, columns.visited, rows.first, rows.step, columns.first, columns.step],
    ...[rows.target, columns.target, targetChannels, rows.source, columns.source, sourceChannels],
    ...[rows.taps, rows.stride, rows.start, rows.tapStep],
    ...[columns.taps, columns.stride, columns.start, columns.tapStep, groups],
  );
}
