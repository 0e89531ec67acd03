// Arrays in plain JavaScript, slow and obvious: what every op is compared with.
export interface Grid {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((product, side) => product * side, 1);

/** Every index of a shape, in order. */
function indices(shape: readonly number[]): number[][] {
  return Array.from({ length: sizeOf(shape) }, (_, flat) => {
    let rest = flat;
    const index: number[] = [];
    for (const side of shape.toReversed()) {
      index.unshift(rest % side);
      rest = Math.floor(rest / side);
    }
    return index;
  });
}

/** The array of this shape whose elements are `f(index)`. */
export function build(shape: readonly number[], f: (index: number[]) => number): Grid {
  return { shape, data: indices(shape).map(f) };
}

/** The element at an index, counted from the last axis; sides of 1 repeat. */
export function at({ shape, data }: Grid, index: readonly number[]): number {
  const own = index.slice(index.length - shape.length);
  const flat = shape.reduce((sum, side, i) => sum * side + (side === 1 ? 0 : (own[i] as number)), 0);
  return data[flat] as number;
}

export function broadcast(...shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, i) => {
    const sides = shapes.map((shape) => shape[shape.length - rank + i] ?? 1);
    return sides.find((side) => side !== 1) ?? 1;
  });
}

/** f of two arrays that broadcast. */
export function zip(a: Grid, b: Grid, f: (a: number, b: number) => number): Grid {
  return build(broadcast(a.shape, b.shape), (i) => f(at(a, i), at(b, i)));
}

export function map({ shape, data }: Grid, f: (x: number) => number): Grid {
  return { shape, data: data.map(f) };
}

/** f of the elements along the given axes, which disappear. */
export function reduce(
  x: Grid,
  axes: readonly number[],
  f: (row: number[]) => number,
  keepDims = false,
): Grid {
  const kept = x.shape.map((side, i) => (axes.includes(i) ? 1 : side));
  const inner = indices(axes.map((axis) => x.shape[axis] as number));
  const full = build(kept, (index) =>
    f(
      inner.map((place) =>
        at(
          x,
          index.map((n, i) => (axes.includes(i) ? (place[axes.indexOf(i)] as number) : n)),
        ),
      ),
    ),
  );
  return keepDims ? full : { shape: x.shape.filter((_, i) => !axes.includes(i)), data: full.data };
}

/** [..., M, K] · [..., K, N], with either side's last two axes turned before. */
export function product(a: Grid, b: Grid, turnA: boolean, turnB: boolean): Grid {
  const [M, K] = turnA ? a.shape.slice(-2).toReversed() : a.shape.slice(-2);
  const N = turnB ? b.shape.at(-2) : b.shape.at(-1);
  const lead = broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2));
  return build([...lead, M as number, N as number], (index) => {
    const [batch, m, n] = [index.slice(0, -2), index.at(-2) as number, index.at(-1) as number];
    let total = 0;
    for (let k = 0; k < (K as number); k++) {
      total +=
        at(a, [...batch, ...(turnA ? [k, m] : [m, k])]) * at(b, [...batch, ...(turnB ? [n, k] : [k, n])]);
    }
    return total;
  });
}
