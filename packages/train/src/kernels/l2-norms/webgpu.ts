import {
  type Tensor,
  type Tensor1D,
  tensor,
  type WebGpuHost,
  type WgslProgram,
  wgslReduce,
} from "@corenet/tensor";

const GROUP = 256;
const PIECE = GROUP * 16; // elements that one workgroup adds up

/**
 * A sum of squares is kept as two words: the bits of the largest |x|, which order numbers, infinity and NaN alike, and the
 * sum of (x / unit)², where unit is the power of two that fits them. So no square leaves the range of float32.
 */
const sumCode = /* wgsl */ `${wgslReduce}
var<workgroup> largest: array<u32, WORKGROUP>;

fn exponentOf(bits: u32) -> i32 { // below the smallest normal number squares are 0 anyway
  return clamp(i32(bits >> 23u), 1, 252) - 127;
}
fn powerOf(exponent: i32) -> f32 { // 0 where no normal number is so small
  return select(bitcast<f32>(u32(exponent + 127) << 23u), 0.0, exponent < -126);
}
fn largestOf(local: u32, bits: u32) -> u32 {
  largest[local] = bits;
  workgroupBarrier();
  for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
    if (local < half) { largest[local] = max(largest[local], largest[local + half]); }
    workgroupBarrier();
  }
  return workgroupUniformLoad(&largest[0]);
}`;

/** One tensor to two words for each of its pieces. */
const pieces: WgslProgram = {
  name: "l2Norms, pieces",
  reads: { x: "f32" },
  writes: { parts: "u32" },
  uniforms: { size: "u32", first: "u32" },
  workgroupSize: GROUP,
  code: /* wgsl */ `${sumCode}
fn main(group: u32, local: u32) {
  let begin = group * ${PIECE}u + local;
  let end = min((group + 1u) * ${PIECE}u, u.size);
  var bits = 0u;
  for (var i = begin; i < end; i += WORKGROUP) { bits = max(bits, bitcast<u32>(x[i]) & 0x7fffffffu); }
  bits = largestOf(local, bits);
  let unit = powerOf(-exponentOf(bits));
  var total = 0.0;
  for (var i = begin; i < end; i += WORKGROUP) {
    let value = x[i] * unit;
    total += value * value;
  }
  total = groupSum(total, local);
  if (local == 0u) {
    parts[2u * (u.first + group)] = bits;
    parts[2u * (u.first + group) + 1u] = bitcast<u32>(total);
  }
}`,
};

/** The pieces of each tensor to its norm. */
const norms: WgslProgram = {
  name: "l2Norms",
  reads: { parts: "u32", starts: "i32" },
  writes: { y: "f32" },
  workgroupSize: GROUP,
  code: /* wgsl */ `${sumCode}
fn main(group: u32, local: u32) {
  let begin = u32(starts[group]) + local;
  let end = u32(starts[group + 1u]);
  var bits = 0u;
  for (var i = begin; i < end; i += WORKGROUP) { bits = max(bits, parts[2u * i]); }
  bits = largestOf(local, bits);
  let exponent = exponentOf(bits);
  var total = 0.0;
  for (var i = begin; i < end; i += WORKGROUP) {
    let ratio = powerOf(max(exponentOf(parts[2u * i]) - exponent, -127));
    total += bitcast<f32>(parts[2u * i + 1u]) * ratio * ratio;
  }
  total = groupSum(total, local);
  if (local > 0u) { return; }
  let root = sqrt(total);
  let unit = powerOf(exponent);
  var infinity = 0x7f800000u; // a constant would be no valid WGSL
  if (bits >= infinity) { y[group] = bitcast<f32>(bits); }
  else if (root > 3.4028234e38 / unit) { y[group] = bitcast<f32>(infinity); }
  else { y[group] = root * unit; }
}`,
};

export function l2NormsWebGpu(host: WebGpuHost) {
  return (tensors: readonly Tensor[]): [Tensor1D] => {
    const y = host.output([tensors.length], "float32") as Tensor1D;
    if (tensors.length === 0) return [y];
    const starts = [0];
    for (const { size } of tensors) starts.push((starts.at(-1) as number) + Math.ceil(size / PIECE));
    const parts = host.output([starts.at(-1) as number, 2], "int32");
    const where = tensor(Int32Array.from(starts));
    for (const [i, x] of tensors.entries()) {
      const workgroups = Math.ceil(x.size / PIECE);
      host.run(pieces, { x, parts }, { workgroups, uniforms: { size: x.size, first: starts[i] as number } });
    }
    host.run(norms, { parts, starts: where, y }, { workgroups: tensors.length });
    parts.dispose();
    where.dispose();
    return [y];
  };
}
