// The kernels of convolutions against the loops, in both builds: in whichever parts they are computed, with the same bits.
import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { at, createHeap, noise } from "../../../tools/kernels/harness.ts";
import relaxed from "../src/generated/kernels-relaxed.ts";
import simd from "../src/generated/kernels-simd.ts";
import type { ConvAxis } from "../src/kernels/conv/axis.ts";
import { backwardAxes, encodeWalk, forwardAxis, type WalkAxis } from "../src/kernels/conv/walk.ts";
import {
  type ConvCase,
  convolve,
  inputGradient,
  inputShape,
  outputShape,
  outputSides,
  weightGradient,
  weightShape,
} from "./conv-oracle.ts";
import type { Grid } from "./oracle.ts";

const anyCase = fc
  .record({
    batch: fc.integer({ min: 1, max: 2 }),
    spare: fc.tuple(fc.nat(12), fc.nat(14)),
    perGroup: fc.tuple(fc.constantFrom(1, 3, 4, 7, 40), fc.constantFrom(1, 5, 8, 17)),
    kernel: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
    stride: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
    dilation: fc.tuple(fc.constantFrom(1, 1, 2), fc.constantFrom(1, 1, 2)),
    padding: fc.tuple(fc.tuple(fc.nat(2), fc.nat(2)), fc.tuple(fc.nat(2), fc.nat(2))),
    groups: fc.constantFrom(1, 1, 2, 3),
  })
  .map(({ spare, perGroup: [channels, outputs], groups, ...rest }): ConvCase => {
    const side = (axis: 0 | 1) => (rest.kernel[axis] - 1) * rest.dilation[axis] + 1 + spare[axis];
    const sides: [number, number] = [side(0), side(1)];
    return { ...rest, sides, channels: channels * groups, outputs: outputs * groups, groups };
  });

/** Pixels and columns, or parts, of a task, and how often the range of tasks is cut. */
const anyShare = fc.record({ pixels: fc.constantFrom(6, 12, 96), columns: fc.constantFrom(8, 16, 64) });
type Share = { readonly pixels: number; readonly columns: number };

const gridOf = (shape: readonly number[], seed: number): Grid => ({
  shape,
  data: Array.from(
    noise(
      shape.reduce((product, side) => product * side, 1),
      seed,
    ),
  ),
});

function axesOf(c: ConvCase): [ConvAxis, ConvAxis] {
  const outputs = outputSides(c);
  return [0, 1].map((i) => ({
    input: c.sides[i] as number,
    output: outputs[i] as number,
    kernel: c.kernel[i] as number,
    stride: c.stride[i] as number,
    dilation: c.dilation[i] as number,
    before: (c.padding[i] as readonly number[])[0] as number,
  })) as [ConvAxis, ConvAxis];
}

function forwardAxes(c: ConvCase): [WalkAxis, WalkAxis] {
  const [rows, columns] = axesOf(c);
  return [forwardAxis(rows), forwardAxis(columns)];
}

function expectClose(got: Float32Array, expected: Grid, terms: number): void {
  expect(got.length).toBe(expected.data.length);
  for (const [i, value] of got.entries()) {
    const wanted = at(expected.data, i);
    if (!(Math.abs(value - wanted) <= 1e-6 + 1e-6 * terms))
      throw new Error(`[${i}] is ${value}, expected ${wanted}`);
  }
}

describe.each([
  ["relaxed", relaxed],
  ["simd", simd],
])("%s", (_, module) => {
  const heap = createHeap(module);
  const { call } = heap;
  beforeEach(() => heap.reset());
  const put = (grid: Grid) => heap.put(Float32Array.from(grid.data));

  function visit(walk: Int32Array, source: number, panels: number, target: number, share: Share): void {
    const address = heap.put(walk);
    const scratch = heap.allocate(call("convScratchBytes", address, share.pixels));
    const tasks = call("convTasks", address, share.pixels, share.columns);
    heap.inParts("convolve", tasks, address, source, panels, target, share.pixels, share.columns, scratch);
  }

  function forward(c: ConvCase, x: Grid, w: Grid, share: Share): Float32Array {
    const [rows, columns] = forwardAxes(c);
    const { batch, channels, outputs, groups } = c;
    const sides = { batch, rows, columns, sourceChannels: channels, targetChannels: outputs, groups };
    const size = outputShape(c).reduce((product, side) => product * side, 1);
    const [width, depth] = [outputs / groups, w.data.length / outputs];
    const panels = heap.allocate(4 * call("convPanelFloats", groups, width, depth));
    const target = heap.allocate(4 * size);
    heap.inParts("packConvWeight", call("convPanels", groups, width), put(w), 0, width, depth, panels);
    visit(encodeWalk(sides), put(x), panels, target, share);
    return heap.floats(target, size);
  }

  function backward(c: ConvCase, w: Grid, dy: Grid, share: Share): Float32Array {
    const [vertical, horizontal] = axesOf(c);
    const { batch, channels, outputs, groups } = c;
    const size = inputShape(c).reduce((product, side) => product * side, 1);
    const target = heap.allocate(4 * size);
    const [weight, arriving] = [put(w), put(dy)];
    for (const rows of backwardAxes(vertical)) {
      for (const columns of backwardAxes(horizontal)) {
        const sides = { batch, rows, columns, sourceChannels: outputs, targetChannels: channels, groups };
        const depth = (rows.taps * columns.taps * outputs) / groups;
        const panels = heap.allocate(4 * call("convPanelFloats", groups, channels / groups, depth));
        const tasks = call("convPanels", groups, channels / groups);
        const taps = [rows, columns].flatMap((axis) => [axis.taps, axis.firstTap, axis.kernelStep]);
        const window = [outputs / groups, vertical.kernel, horizontal.kernel, channels / groups];
        heap.inParts("packTurnedConvWeight", tasks, weight, ...window, ...taps, panels);
        visit(encodeWalk(sides), arriving, panels, target, share);
      }
    }
    return heap.floats(target, size);
  }

  function ofWeight(c: ConvCase, x: Grid, dy: Grid, byColumns: boolean, size: number): Float32Array {
    const [rows, columns] = forwardAxes(c);
    const { batch, channels, outputs, groups } = c;
    const walk = heap.put(
      encodeWalk({ batch, rows, columns, sourceChannels: channels, targetChannels: outputs, groups }),
    );
    const floats = weightShape(c).reduce((product, side) => product * side, 1);
    const out = heap.allocate(4 * floats);
    const scratch = heap.allocate(call("convWeightGradScratchBytes", walk));
    const parts = Math.ceil((byColumns ? floats / outputs : outputs / groups) / size);
    const shares = [Number(byColumns), size, parts];
    heap.inParts("convWeightGrad", groups * parts, walk, put(x), put(dy), out, ...shares, scratch);
    return heap.floats(out, floats);
  }

  test("a convolution is right, and the same in whichever tasks", () => {
    fc.assert(
      fc.property(anyCase, anyShare, fc.nat(1000), (c, share, seed) => {
        heap.reset();
        const [x, w] = [gridOf(inputShape(c), seed), gridOf(weightShape(c), seed + 1)];
        const got = forward(c, x, w, share);
        expectClose(got, convolve(c, x, w), (4 * w.data.length) / c.outputs);
        expect(forward(c, x, w, { pixels: 600, columns: 512 })).toEqual(got);
      }),
      { numRuns: 80 },
    );
  });

  test("so is the gradient of the image", () => {
    fc.assert(
      fc.property(anyCase, anyShare, fc.nat(1000), (c, share, seed) => {
        heap.reset();
        const [w, dy] = [gridOf(weightShape(c), seed), gridOf(outputShape(c), seed + 1)];
        const got = backward(c, w, dy, share);
        expectClose(got, inputGradient(c, w, dy), 4 * c.kernel[0] * c.kernel[1] * c.outputs);
        expect(backward(c, w, dy, { pixels: 600, columns: 512 })).toEqual(got);
      }),
      { numRuns: 80 },
    );
  });

  test("so is the gradient of the weight", () => {
    const shares = fc.record({ byColumns: fc.boolean(), tiles: fc.integer({ min: 1, max: 3 }) });
    fc.assert(
      fc.property(anyCase, shares, fc.nat(1000), (c, { byColumns, tiles }, seed) => {
        heap.reset();
        const [x, dy] = [gridOf(inputShape(c), seed), gridOf(outputShape(c), seed + 1)];
        const got = ofWeight(c, x, dy, byColumns, tiles * (byColumns ? 8 : 6));
        expectClose(got, weightGradient(c, x, dy), (4 * dy.data.length) / c.outputs);
        expect(ofWeight(c, x, dy, true, 4096)).toEqual(got);
      }),
      { numRuns: 80 },
    );
  });

  test("channels by themselves: a convolution and the gradient of the weight", () => {
    const depthwise = fc
      .tuple(anyCase, fc.constantFrom(2, 3, 4, 19, 36))
      .map(([c, channels]): ConvCase => ({ ...c, channels, outputs: channels, groups: channels }));
    fc.assert(
      fc.property(depthwise, fc.nat(1000), (c, seed) => {
        heap.reset();
        const [x, w, dy] = [inputShape(c), weightShape(c), outputShape(c)].map((shape, i) =>
          gridOf(shape, seed + i),
        ) as [Grid, Grid, Grid];
        const [rows, columns] = forwardAxes(c);
        const { batch, channels, groups } = c;
        const sides = { batch, rows, columns, sourceChannels: channels, targetChannels: channels, groups };
        const [walk, source] = [heap.put(encodeWalk(sides)), put(x)];
        const taps = c.kernel[0] * c.kernel[1];
        const packed = heap.allocate(4 * taps * channels);
        call(
          "packDepthwiseWeight",
          put(w),
          channels,
          ...c.kernel,
          c.kernel[0],
          0,
          1,
          c.kernel[1],
          0,
          1,
          packed,
        );
        const target = heap.allocate(4 * dy.data.length);
        heap.inParts("depthwise", batch * rows.visited, walk, source, packed, 0, target);
        expectClose(heap.floats(target, dy.data.length), convolve(c, x, w), 4 * taps);

        const out = heap.allocate(4 * w.data.length);
        const scratch = heap.allocate(call("depthwiseWeightGradScratchBytes", taps));
        heap.inParts("depthwiseWeightGrad", Math.ceil(channels / 16), walk, source, put(dy), out, scratch);
        const pixels = dy.data.length / channels;
        expectClose(heap.floats(out, w.data.length), weightGradient(c, x, dy), 4 * pixels);
      }),
      { numRuns: 80 },
    );
  });

  test("depth beyond a block", () => {
    const c: ConvCase = {
      batch: 1,
      sides: [5, 7],
      channels: 130,
      outputs: 9,
      kernel: [2, 2],
      stride: [1, 1],
      dilation: [1, 1],
      padding: [
        [1, 0],
        [0, 1],
      ],
      groups: 1,
    };
    const [x, w] = [gridOf(inputShape(c), 1), gridOf(weightShape(c), 2)];
    const got = forward(c, x, w, { pixels: 6, columns: 8 });
    expectClose(got, convolve(c, x, w), 4 * 520);
    expect(forward(c, x, w, { pixels: 96, columns: 64 })).toEqual(got);
  });
});
