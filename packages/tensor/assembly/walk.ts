// How a convolution walks: over the pixels of a target, each of which meets some pixels of a source. The target is the
// result and the source the image; or, for the gradient of the image, the other way round.

/** As many i32 as the JavaScript side writes (`src/kernels/conv/walk.ts`), in its order. */
@unmanaged
export class Walk {
  batch: i32;
  /** The pixels of the target that are visited: rows x columns, which lie rowStep and columnStep apart. */
  rows: i32;
  columns: i32;
  firstRow: i32;
  rowStep: i32;
  firstColumn: i32;
  columnStep: i32;
  /** The target's sides, and its numbers in a pixel. */
  targetHeight: i32;
  targetWidth: i32;
  targetChannels: i32;
  sourceHeight: i32;
  sourceWidth: i32;
  sourceChannels: i32;
  /** Taps of the window; visited row i meets the source's row i · down + top + t · tapDown with tap t, if there is one. */
  tapsDown: i32;
  down: i32;
  top: i32;
  tapDown: i32;
  tapsAcross: i32;
  across: i32;
  left: i32;
  tapAcross: i32;
  groups: i32;
}

/** Numbers of the source in one tap of a group. */
// @ts-ignore: decorator
@inline
export function depthOf(w: Walk): i32 {
  return w.sourceChannels / w.groups;
}

/** Numbers of the target in one pixel of a group. */
// @ts-ignore: decorator
@inline
export function widthOf(w: Walk): i32 {
  return w.targetChannels / w.groups;
}

// @ts-ignore: decorator
@inline
export function pixelsOf(w: Walk): i32 {
  return w.batch * w.rows * w.columns;
}

/** Bytes from the first number of a source to that of one of its pixels. */
// @ts-ignore: decorator
@inline
export function sourceAt(w: Walk, image: i32, row: i32, column: i32): usize {
  return <usize>((image * w.sourceHeight + row) * w.sourceWidth + column) * <usize>w.sourceChannels << 2;
}

/** Bytes from the first number of a target to that of a visited pixel. */
// @ts-ignore: decorator
@inline
export function targetAt(w: Walk, image: i32, i: i32, j: i32): usize {
  const row = image * w.targetHeight + w.firstRow + i * w.rowStep;
  return <usize>(row * w.targetWidth + w.firstColumn + j * w.columnStep) * <usize>w.targetChannels << 2;
}
