// A convolution is a sum over the taps of its kernel: each is one matrix product of the pixels that the tap meets.
// Only what one tap meets is ever copied, as much as the input or the output, never the whole matrix of patches.
import { tidy } from "../../memory.ts";
import { add } from "../../ops/arithmetic.ts";
import { tensor, zeros } from "../../ops/create.ts";
import { gather } from "../../ops/gather.ts";
import { matMul } from "../../ops/mat-mul.ts";
import { concat, reshape, slice, transpose } from "../../ops/shape.ts";
import type { Tensor, Tensor1D, Tensor2D, Tensor3D, Tensor4D } from "../../types.ts";
import { type ConvAxis, pixelOf } from "./axis.ts";
import type { ConvAttrs, ConvInputs } from "./op.ts";

/** y = Σ over taps (i, j) of x(i, j) · w(i, j)ᵀ, with x(i, j) the pixels that the tap meets. */
export function conv2dReference([x, weight, bias]: ConvInputs, attrs: ConvAttrs): [Tensor4D] {
  const { rows, columns, groups } = attrs;
  const [B] = x.shape;
  const [O] = weight.shape;
  const pixels = pixelRows(x);
  const y = sumOverTaps(attrs, (i, j) => {
    const met = byGroup(gather(pixels, tapIds(attrs, B, i, j)) as Tensor2D, groups); // [groups, P, C / groups]
    return matMul(met, tapWeight(weight, groups, i, j), { transposeB: true });
  }); // [groups, P, O / groups]
  const joined = reshape(transpose(y, [1, 0, 2]), [B, rows.output, columns.output, O]);
  return [bias ? (add(joined, bias) as Tensor4D) : joined];
}

/** dx: each pixel collects dy(p) · w(i, j) from every output p whose tap (i, j) met it. */
export function conv2dInputGradReference(
  [dy, weight]: [dy: Tensor4D, weight: Tensor4D],
  attrs: ConvAttrs,
): [Tensor4D] {
  const { rows, columns, groups } = attrs;
  const [B] = dy.shape;
  const C = weight.shape[3] * groups;
  const outputs = pixelRows(dy);
  const dx = sumOverTaps(attrs, (i, j) => {
    const arriving = byGroup(gather(outputs, metIds(attrs, B, i, j)) as Tensor2D, groups); // [groups, pixels, O / groups]
    return matMul(arriving, tapWeight(weight, groups, i, j));
  }); // [groups, pixels, C / groups]
  return [reshape(transpose(dx, [1, 0, 2]), [B, rows.input, columns.input, C])];
}

/** dw(i, j) = dyᵀ · x(i, j). */
export function conv2dWeightGradReference(
  [x, dy]: [x: Tensor4D, dy: Tensor4D],
  attrs: ConvAttrs,
): [Tensor4D] {
  const { rows, columns, groups } = attrs;
  const [B, , , C] = x.shape;
  const [, , , O] = dy.shape;
  const pixels = pixelRows(x);
  const arriving = byGroup(reshape(dy, [dy.size / O || 0, O]), groups); // [groups, P, O / groups]
  const taps = tapsOf(attrs).map(([i, j]) =>
    tidy(() => {
      const met = byGroup(gather(pixels, tapIds(attrs, B, i, j)) as Tensor2D, groups);
      return reshape(matMul(arriving, met, { transposeA: true }), [O, 1, C / groups]);
    }),
  );
  return [reshape(concat(taps, { axis: 1 }), [O, rows.kernel, columns.kernel, C / groups])];
}

/** The pixels of all images [B · height · width, C] and, as the last row, padding. */
function pixelRows(x: Tensor4D): Tensor2D {
  const [B, height, width, C] = x.shape;
  return concat([reshape(x, [B * height * width, C]), zeros<Tensor2D>([1, C])]);
}

/** The row of `pixelRows` that tap (i, j) meets, for each output [B · rows · columns]. */
function tapIds({ rows, columns }: ConvAttrs, B: number, i: number, j: number): Tensor1D {
  const [down, across] = [pixelsMet(rows, i), pixelsMet(columns, j)];
  return placeIds(B, down, across, rows.input, columns.input);
}

/** The other way round: the row of the output whose tap (i, j) meets each pixel [B · height · width]. */
function metIds({ rows, columns }: ConvAttrs, B: number, i: number, j: number): Tensor1D {
  const [down, across] = [outputsThatMeet(rows, i), outputsThatMeet(columns, j)];
  return placeIds(B, down, across, rows.output, columns.output);
}

/** The rows of `pixelRows`, of images of `height` x `width`, at all rows `down` and columns `across`; -1 is padding. */
function placeIds(
  B: number,
  down: readonly number[],
  across: readonly number[],
  height: number,
  width: number,
): Tensor1D {
  const padding = B * height * width;
  const ids = new Int32Array(B * down.length * across.length);
  let at = 0;
  for (let b = 0; b < B; b++) {
    for (const y of down) {
      for (const x of across) ids[at++] = y < 0 || x < 0 ? padding : (b * height + y) * width + x;
    }
  }
  return tensor(ids);
}

/** For each output of a side the pixel that its tap meets, or -1. */
function pixelsMet(axis: ConvAxis, tap: number): number[] {
  return Array.from({ length: axis.output }, (_, at) => {
    const pixel = pixelOf(axis, at, tap);
    return pixel < axis.input ? Math.max(-1, pixel) : -1;
  });
}

/** For each pixel of a side the output whose tap meets it, or -1. */
function outputsThatMeet(axis: ConvAxis, tap: number): number[] {
  const met = Array<number>(axis.input).fill(-1);
  pixelsMet(axis, tap).forEach((pixel, at) => {
    if (pixel >= 0) met[pixel] = at;
  });
  return met;
}

/** [P, groups · n] to [groups, P, n]. */
function byGroup(x: Tensor2D, groups: number): Tensor3D {
  const [P, width] = x.shape;
  return transpose(reshape(x, [P, groups, width / groups]), [1, 0, 2]);
}

/** The weight of one tap [groups, O / groups, C / groups]. */
function tapWeight(weight: Tensor4D, groups: number, i: number, j: number): Tensor3D {
  const [O, , , channels] = weight.shape;
  return reshape(slice(weight, [0, i, j, 0], [O, 1, 1, channels]), [groups, O / groups, channels]);
}

function tapsOf({ rows, columns }: ConvAttrs): [i: number, j: number][] {
  return Array.from({ length: rows.kernel * columns.kernel }, (_, tap) => [
    Math.floor(tap / columns.kernel),
    tap % columns.kernel,
  ]);
}

function sumOverTaps<T extends Tensor>(attrs: ConvAttrs, term: (i: number, j: number) => T): T {
  return tapsOf(attrs).reduce<T | null>((before, [i, j]) => {
    const next = tidy(() => (before ? (add(before, term(i, j)) as T) : term(i, j)));
    before?.dispose();
    return next;
  }, null) as T;
}
