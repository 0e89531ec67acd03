import { sum, type Tensor, type Tensor1D, type WebGpuHost, type WgslProgram } from "@corenet/tensor";

const GROUP = 64;
const PIECE = 32; // rows that one invocation adds up

export interface ColumnSums<Name extends string> {
  readonly name: string;
  /** Arrays that the terms read. */
  readonly reads: Readonly<Record<string, string>>;
  /** WGSL of what is added up for each name: of `row`, and of `at`, the place in it in an array [rows, D]. */
  readonly terms: Readonly<Record<Name, string>>;
}

/** A program that sums terms over pieces of the rows, to [pieces, D] for each name. */
export function columnSumsProgram<Name extends string>({
  name,
  reads,
  terms,
}: ColumnSums<Name>): WgslProgram {
  const sums = Object.entries<string>(terms);
  const each = (code: (name: string, term: string) => string) =>
    sums.map(([one, term]) => code(one, term)).join("\n    ");
  return {
    name,
    reads,
    writes: Object.fromEntries(sums.map(([one]) => [one, "f32"])),
    uniforms: { D: "u32", rows: "u32", size: "u32" },
    workgroupSize: GROUP,
    code: /* wgsl */ `
fn main(group: u32, local: u32) {
  let index = group * WORKGROUP + local;
  if (index >= u.size) { return; }
  let column = index % u.D;
  let first = index / u.D * ${PIECE}u;
  ${each((one) => `var ${one}Sum = 0.0;`)}
  for (var row = first; row < min(first + ${PIECE}u, u.rows); row++) {
    let at = row * u.D + column;
    ${each((one, term) => `${one}Sum += ${term};`)}
  }
  ${each((one) => `${one}[index] = ${one}Sum;`)}
}`,
  };
}

/** Runs such a program over all rows: [D] for each name. */
export function columnSums<Name extends string>(
  host: WebGpuHost,
  program: WgslProgram,
  inputs: Readonly<Record<string, Tensor>>,
  { rows, D, names }: { rows: number; D: number; names: readonly Name[] },
): Record<Name, Tensor1D> {
  const parts = names.map((name) => [name, host.output([Math.ceil(rows / PIECE), D], "float32")] as const);
  const size = Math.ceil(rows / PIECE) * D;
  const run = { workgroups: Math.ceil(size / GROUP), uniforms: { D, rows, size } };
  host.run(program, { ...inputs, ...Object.fromEntries(parts) }, run);
  return Object.fromEntries(parts.map(([name, part]) => [name, sum(part, { axis: 0 })])) as Record<
    Name,
    Tensor1D
  >;
}
