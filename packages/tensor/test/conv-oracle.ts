// Convolutions as seven loops, in doubles: what every backend is compared with.
import type { Grid } from "./oracle.ts";

export interface ConvCase {
  readonly batch: number;
  readonly sides: readonly [height: number, width: number];
  readonly channels: number;
  readonly outputs: number;
  readonly kernel: readonly [height: number, width: number];
  readonly stride: readonly [number, number];
  readonly dilation: readonly [number, number];
  readonly padding: readonly [readonly [number, number], readonly [number, number]];
  readonly groups: number;
}

/** Rows and columns of the result. */
export function outputSides({ sides, kernel, stride, dilation, padding }: ConvCase): [number, number] {
  const [rows, columns] = [0, 1].map((axis) => {
    const [before, after] = padding[axis] as readonly [number, number];
    const span = ((kernel[axis] as number) - 1) * (dilation[axis] as number) + 1;
    return Math.floor(((sides[axis] as number) + before + after - span) / (stride[axis] as number)) + 1;
  });
  return [rows as number, columns as number];
}

/** Calls `meet` with the places in x, w and y of every product that a convolution adds up. */
function eachProduct(c: ConvCase, meet: (x: number, w: number, y: number) => void): void {
  const [height, width] = c.sides;
  const [rows, columns] = outputSides(c);
  const [channels, outputs] = [c.channels / c.groups, c.outputs / c.groups];
  for (let b = 0; b < c.batch; b++) {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        for (let i = 0; i < c.kernel[0]; i++) {
          const y = row * c.stride[0] - c.padding[0][0] + i * c.dilation[0];
          if (y < 0 || y >= height) continue;
          for (let j = 0; j < c.kernel[1]; j++) {
            const x = column * c.stride[1] - c.padding[1][0] + j * c.dilation[1];
            if (x < 0 || x >= width) continue;
            for (let o = 0; o < c.outputs; o++) {
              const first = Math.floor(o / outputs) * channels;
              for (let k = 0; k < channels; k++) {
                meet(
                  ((b * height + y) * width + x) * c.channels + first + k,
                  ((o * c.kernel[0] + i) * c.kernel[1] + j) * channels + k,
                  ((b * rows + row) * columns + column) * c.outputs + o,
                );
              }
            }
          }
        }
      }
    }
  }
}

export function inputShape(c: ConvCase): number[] {
  return [c.batch, ...c.sides, c.channels];
}

export function weightShape(c: ConvCase): number[] {
  return [c.outputs, ...c.kernel, c.channels / c.groups];
}

export function outputShape(c: ConvCase): number[] {
  return [c.batch, ...outputSides(c), c.outputs];
}

const emptyOf = (shape: readonly number[]): { shape: readonly number[]; data: number[] } => ({
  shape,
  data: Array(shape.reduce((product, side) => product * side, 1)).fill(0),
});
const add = (data: number[], at: number, a: number | undefined, b: number | undefined): void => {
  data[at] = (data[at] as number) + (a as number) * (b as number);
};

/** y, without a bias. */
export function convolve(c: ConvCase, x: Grid, w: Grid): Grid {
  const out = emptyOf(outputShape(c));
  eachProduct(c, (atX, atW, atY) => add(out.data, atY, x.data[atX], w.data[atW]));
  return out;
}

export function inputGradient(c: ConvCase, w: Grid, dy: Grid): Grid {
  const out = emptyOf(inputShape(c));
  eachProduct(c, (atX, atW, atY) => add(out.data, atX, dy.data[atY], w.data[atW]));
  return out;
}

export function weightGradient(c: ConvCase, x: Grid, dy: Grid): Grid {
  const out = emptyOf(weightShape(c));
  eachProduct(c, (atX, atW, atY) => add(out.data, atW, dy.data[atY], x.data[atX]));
  return out;
}
