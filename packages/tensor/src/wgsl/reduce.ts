/**
 * WGSL functions over a workgroup whose size is a power of two. All its invocations must call them together, and all
 * get the result: `groupSum(value, local)`, `groupMax(value, local)`. A device with subgroups uses them in its place.
 */
export const wgslReduce = /* wgsl */ `
var<workgroup> lanes: array<f32, WORKGROUP>;

fn groupSum(value: f32, local: u32) -> f32 {
  workgroupBarrier(); // the last result was read
  lanes[local] = value;
  workgroupBarrier();
  for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
    if (local < half) { lanes[local] += lanes[local + half]; }
    workgroupBarrier();
  }
  return lanes[0];
}

fn groupMax(value: f32, local: u32) -> f32 {
  workgroupBarrier();
  lanes[local] = value;
  workgroupBarrier();
  for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
    if (local < half) { lanes[local] = max(lanes[local], lanes[local + half]); }
    workgroupBarrier();
  }
  return lanes[0];
}
`;
