// How elements of tensors lie in memory, and how a program finds them.

/** Axes with a step for each of several tensors: what elements lie apart from one index to the next. */
export interface Walk {
  readonly sides: readonly number[];
  readonly steps: readonly (readonly number[])[];
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, side) => product * side, 1);
}

/** The steps of a tensor that lies row after row. */
export function stepsOf(shape: readonly number[]): number[] {
  return shape.map((_, i) => sizeOf(shape.slice(i + 1)));
}

/** The steps of a tensor that is repeated to `shape`: 0 along the axes that it lacks or has as 1. */
export function broadcastSteps(from: readonly number[], shape: readonly number[]): number[] {
  const padded = [...Array<number>(shape.length - from.length).fill(1), ...from];
  return stepsOf(padded).map((step, i) => (padded[i] === 1 ? 0 : step));
}

/** The same walk with as few axes as it takes: no sides of 1, and neighbours joined where every tensor allows it. */
export function mergeAxes({ sides, steps }: Walk): Walk {
  const axes: { side: number; steps: number[] }[] = [];
  sides.forEach((side, i) => {
    if (side === 1) return;
    const here = steps.map((list) => list[i] as number);
    const outer = axes.at(-1);
    if (outer?.steps.every((step, tensor) => step === (here[tensor] as number) * side)) {
      outer.side *= side;
      outer.steps = here;
    } else axes.push({ side, steps: here });
  });
  return {
    sides: axes.map(({ side }) => side),
    steps: steps.map((_, tensor) => axes.map((axis) => axis.steps[tensor] as number)),
  };
}

/**
 * WGSL that turns `index` into an offset for each tensor, and the uniforms that it reads.
 *
 * @param rank - of the merged walk
 * @param names - of the offsets, one for each tensor
 */
export function walkCode(rank: number, names: readonly string[]): string {
  const axes = Array.from({ length: rank }, (_, i) => rank - 1 - i);
  return [
    "var rest = index;",
    ...names.map((name) => `var ${name} = 0u;`),
    ...axes.map((i) => {
      const k = i === 0 ? "rest" : `rest % u.n${i}`;
      const moves = names.map((name) => `${name} += k${i} * u.${name}${i};`).join(" ");
      return `let k${i} = ${k}; ${moves}${i === 0 ? "" : ` rest /= u.n${i};`}`;
    }),
  ].join("\n  ");
}

export function walkUniforms(rank: number, names: readonly string[]): Record<string, "u32"> {
  const axes = Array.from({ length: rank }, (_, i) => i);
  const fields = [
    ...axes.slice(1).map((i) => `n${i}`),
    ...names.flatMap((name) => axes.map((i) => `${name}${i}`)),
  ];
  return Object.fromEntries(fields.map((field) => [field, "u32" as const]));
}

export function walkValues({ sides, steps }: Walk, names: readonly string[]): Record<string, number> {
  return Object.fromEntries([
    ...sides.slice(1).map((side, i): [string, number] => [`n${i + 1}`, side]),
    ...names.flatMap((name, tensor) =>
      (steps[tensor] as readonly number[]).map((step, i): [string, number] => [`${name}${i}`, step]),
    ),
  ]);
}
