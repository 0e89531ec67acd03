import { type WgslProgram, wgslReduce } from "@corenet/tensor";
import { subgroupReduce } from "./subgroups.ts";

/** Bytes of a uniform buffer that one run may use; the least that every device aligns to. */
export const UNIFORM_BYTES = 256;

/** A program's arrays in the order of their bindings; the uniforms come after them. */
export function bindingNames({ reads, writes }: WgslProgram): string[] {
  return [...Object.keys(reads), ...Object.keys(writes)];
}

/**
 * The whole text of a program's shader: its directives, its bindings, its own code, and an entry point that counts
 * workgroups in one dimension, since a device allows only 65,535 of them in each of three.
 *
 * @param check - the number of what the program checks, for its reports
 * @param subgroups - whether reductions over the workgroup use them
 */
export function shaderText(
  program: WgslProgram,
  { check, subgroups }: { check: number; subgroups: boolean },
): string {
  const { reads, writes, uniforms = {}, workgroupSize } = program;
  const reduces = subgroups && program.code.includes(wgslReduce);
  const enable = new Set<string>([...(program.enable ?? []), ...(reduces ? ["subgroups"] : [])]);
  const code = reduces ? program.code.replace(wgslReduce, subgroupReduce) : program.code;
  const arrays = [
    ...Object.entries(reads).map(([name, type]) => `var<storage, read> ${name}: array<${type}>;`),
    ...Object.entries(writes).map(([name, type]) => `var<storage, read_write> ${name}: array<${type}>;`),
  ];
  if (program.checks) arrays.push("var<storage, read_write> faults: array<u32>;");
  const fields = [["workgroups", "u32"], ...Object.entries(uniforms)];
  return [
    ...Array.from(enable, (extension) => `enable ${extension};`),
    ...arrays.map((array, i) => `@group(0) @binding(${i}) ${array}`),
    `struct Uniforms { ${fields.map(([name, type]) => `${name}: ${type}`).join(", ")} }`,
    `@group(0) @binding(${arrays.length}) var<uniform> u: Uniforms;`,
    `const WORKGROUP = ${workgroupSize}u;`,
    ...(program.checks ? [reportCode(check)] : []),
    ...(reduces ? ["var<private> subgroupWidth: u32;"] : []),
    code,
    `@compute @workgroup_size(${workgroupSize})
fn start(
  @builtin(workgroup_id) id: vec3<u32>,
  @builtin(num_workgroups) count: vec3<u32>,
  @builtin(local_invocation_index) local: u32,${reduces ? " @builtin(subgroup_size) width: u32," : ""}
) {${reduces ? " subgroupWidth = width;" : ""}
  let group = (id.z * count.y + id.y) * count.x + id.x;
  if (group < u.workgroups) { main(group, local); }
}`,
  ].join("\n");
}

/** A report overwrites an earlier one; which check it is, the id as its bits, and the count. */
function reportCode(check: number): string {
  return `fn outOfRange(id: i32, count: u32) {
  faults[0] = ${check + 1}u;
  faults[1] = bitcast<u32>(id);
  faults[2] = count;
}`;
}

/**
 * The numbers of one run as the shader's struct holds them: four bytes each, `workgroups` first.
 *
 * @throws TypeError when a uniform is missing or unknown, RangeError when there are too many
 */
export function writeUniforms(
  program: WgslProgram,
  values: Readonly<Record<string, number>>,
  workgroups: number,
  target: DataView,
  offset: number,
): void {
  const fields = Object.entries(program.uniforms ?? {});
  const given = Object.keys(values).length;
  if (given !== fields.length || (fields.length + 1) * 4 > UNIFORM_BYTES) {
    throw new RangeError(
      `${program.name}: got ${given} uniforms [${Object.keys(values)}], expected ${fields.length}, of at most ${UNIFORM_BYTES / 4 - 1}.`,
    );
  }
  target.setUint32(offset, workgroups, true);
  fields.forEach(([name, type], i) => {
    const value = values[name];
    if (value === undefined) throw new TypeError(`${program.name}: the uniform ${name} is missing.`);
    const at = offset + 4 * (i + 1);
    if (type === "f32") target.setFloat32(at, value, true);
    else if (type === "i32") target.setInt32(at, value, true);
    else target.setUint32(at, value, true);
  });
}

/** A number of workgroups as a grid of which no side is longer than `limit`. */
export function dispatchGrid(workgroups: number, limit: number): [number, number, number] {
  if (workgroups <= limit) return [workgroups, 1, 1];
  const rows = Math.ceil(workgroups / limit);
  if (rows <= limit) return [Math.ceil(workgroups / rows), rows, 1];
  const layers = Math.ceil(rows / limit);
  const height = Math.ceil(rows / layers);
  return [Math.ceil(workgroups / (height * layers)), height, layers];
}
