import { bufferUsage } from "./buffer-pool.ts";

/**
 * `wgslReduce` of @corenet/tensor with subgroups: each adds up its own, and two barriers in place of one for each
 * halving put the results together. `subgroupWidth` is set where a shader starts.
 */
export const subgroupReduce = /* wgsl */ `
var<workgroup> lanes: array<f32, WORKGROUP>;

fn groupSum(value: f32, local: u32) -> f32 {
  let part = subgroupAdd(value);
  workgroupBarrier(); // the last result was read
  if (local % subgroupWidth == 0u) { lanes[local / subgroupWidth] = part; }
  workgroupBarrier();
  var total = lanes[0];
  for (var i = 1u; i * subgroupWidth < WORKGROUP; i++) { total += lanes[i]; }
  return total;
}

fn groupMax(value: f32, local: u32) -> f32 {
  let part = subgroupMax(value);
  workgroupBarrier();
  if (local % subgroupWidth == 0u) { lanes[local / subgroupWidth] = part; }
  workgroupBarrier();
  var top = lanes[0];
  for (var i = 1u; i * subgroupWidth < WORKGROUP; i++) { top = max(top, lanes[i]); }
  return top;
}
`;

const COUNT = 512;
const probe = /* wgsl */ `
enable subgroups;
@group(0) @binding(0) var<storage, read_write> found: array<u32>;
@compute @workgroup_size(256)
fn start(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
  @builtin(subgroup_size) width: u32,
  @builtin(subgroup_invocation_id) place: u32,
) {
  let together = subgroupAdd(1u) == width && subgroupMin(local) == local - place;
  found[group.x * 256u + local] = u32(together && place == local % width);
}`;

/**
 * Whether this device has subgroups, and each of them neighbours in their order: WGSL promises neither, and the sums
 * above build on it.
 */
export async function hasOrderlySubgroups(device: GPUDevice): Promise<boolean> {
  if (!device.features.has("subgroups")) return false;
  const { mapRead, copyTarget, copySource, storage } = bufferUsage;
  device.pushErrorScope("validation");
  const found = device.createBuffer({ size: COUNT * 4, usage: storage | copySource });
  const staging = device.createBuffer({ size: COUNT * 4, usage: mapRead | copyTarget });
  try {
    const module = device.createShaderModule({ label: "subgroups", code: probe });
    const pipeline = device.createComputePipeline({ layout: "auto", compute: { module } });
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    const entries = [{ binding: 0, resource: { buffer: found } }];
    pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
    pass.dispatchWorkgroups(COUNT / 256);
    pass.end();
    encoder.copyBufferToBuffer(found, 0, staging, 0, COUNT * 4);
    device.queue.submit([encoder.finish()]);
    if (await device.popErrorScope()) return false;
    await staging.mapAsync(mapRead);
    return new Uint32Array(staging.getMappedRange()).every((one) => one === 1);
  } finally {
    found.destroy();
    staging.destroy();
  }
}
