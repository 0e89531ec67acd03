import type { LfsrConfig } from "../../codec/config.ts";

/** Invocations of a workgroup: one for each block of a tile. */
export const WORKGROUP = 64;
/** Seeds that share one maximum, as in assembly/encode. */
export const GROUP = 16;
/** Groups that one invocation goes through; a block has period / (GROUP * RUN) of them. */
export const RUN = 64;
const WARM = 32;

/**
 * Scores of all seeds for many blocks, the same as in assembly/encode/score.ts: a running sum along the cycle of the
 * signs' sums, which come from tables of 16 patterns for every four weights, one column an invocation in the
 * workgroup's memory. An invocation walks RUN groups of seeds for one block and writes the maximum of each.
 *
 * A seed costs C/4 reads of workgroup memory and, P = 3, some 12 operations; every address is the same in all
 * invocations, or that plus the invocation's number.
 */
export function scoreShader({ C, P, decimation }: LfsrConfig): string {
  const tables = Math.ceil(C / 4);
  const size = (P * (P + 1)) / 2;
  const hasSigns = decimation === 1 && P > 1;
  const range = (n: number) => Array.from({ length: n }, (_, i) => i);
  // Features of the seed at step m: the signs' sums of steps m + 2 .. m + P, and the running sum of m + 1; or P running
  // sums, d steps apart.
  const chains = hasSigns ? [0] : range(P);
  const ahead = (chain: number) => (hasSigns ? P : (1 + chain) * decimation);
  const walk = chains
    .map(
      (chain) => `
    let t${chain} = signs(m + ${ahead(chain)}, lane);
    y${chain} = fma(0.5, y${chain}, t${chain});`,
    )
    .join("");
  const features = hasSigns
    ? [...range(P - 1).map((i) => (P - 2 - i === 0 ? "t0" : `s${P - 2 - i}`)), `o${P - 1}`]
    : range(P).map((i) => `y${i}`);
  const history = hasSigns ? range(P - 1).map((i) => i + 1) : [];
  const shift = [...history]
    .reverse()
    .map((i) => (i === 1 ? "s1 = t0; o1 = y0;" : `s${i} = s${i - 1}; o${i} = o${i - 1};`))
    .join(" ");
  const rows = range(P).map((i) => {
    const first = (i * (i + 1)) / 2;
    const terms = range(i + 1).map((j) => `coefficients[at + ${first + j}u] * ${features[j]}`);
    return `    let z${i} = ${terms.join(" + ")};`;
  });
  return `
@group(0) @binding(0) var<storage, read> weights: array<f32>; // [C, blocks], scaled to norm 1
@group(0) @binding(1) var<storage, read> patterns: array<u32>; // [steps]
@group(0) @binding(2) var<storage, read> coefficients: array<f32>; // [steps, ${size}]
@group(0) @binding(3) var<storage, read_write> maxima: array<f32>; // [groups, blocks]
@group(0) @binding(4) var<uniform> sizes: vec4u; // blocks, groups
var<workgroup> tables: array<f32, ${tables * 16 * WORKGROUP}>;

fn signs(step: i32, lane: u32) -> f32 {
  let pattern = patterns[step + ${WARM}];
  return ${range(tables)
    .map((t) => `tables[(${16 * t}u + ((pattern >> ${4 * t}u) & 15u)) * ${WORKGROUP}u + lane]`)
    .join(" + ")};
}

@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
  let block = workgroup.x * ${WORKGROUP}u + lane;
  for (var table = 0u; table < ${tables}u; table++) {
    for (var pattern = 0u; pattern < 16u; pattern++) {
      var sum = 0.0;
      for (var c = 0u; c < 4u && 4u * table + c < ${C}u; c++) {
        let w = weights[(4u * table + c) * sizes.x + block];
        sum += select(-w, w, ((pattern >> c) & 1u) == 1u);
      }
      tables[(16u * table + pattern) * ${WORKGROUP}u + lane] = sum;
    }
  }
  ${chains.map((chain) => `var y${chain} = 0.0;`).join(" ")}
  ${history.map((i) => `var s${i} = 0.0; var o${i} = 0.0;`).join(" ")}
  let first = workgroup.y * ${RUN}u;
  let last = min(first + ${RUN}u, sizes.y);
  for (var m = i32(first * ${GROUP}u) - ${WARM}; m < i32(first * ${GROUP}u); m++) {${walk}
    ${shift}
  }
  for (var group = first; group < last; group++) {
    var largest = 0.0;
    for (var i = 0u; i < ${GROUP}u; i++) {
      let m = i32(group * ${GROUP}u + i);
      let at = u32(m) * ${size}u;${walk}
${rows.join("\n")}
      largest = max(largest, ${range(P)
        .map((i) => `z${i} * z${i}`)
        .join(" + ")});
      ${shift}
    }
    maxima[group * sizes.x + block] = largest;
  }
}`;
}

/** The group with the largest score of each block. */
export const largestShader = `
@group(0) @binding(0) var<storage, read> maxima: array<f32>; // [groups, blocks]
@group(0) @binding(1) var<storage, read_write> largest: array<u32>; // [blocks]
@group(0) @binding(2) var<uniform> sizes: vec4u; // blocks, groups

@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(global_invocation_id) id: vec3u) {
  var best = -1.0;
  var at = 0u;
  for (var group = 0u; group < sizes.y; group++) {
    let score = maxima[group * sizes.x + id.x];
    if (score > best) {
      best = score;
      at = group;
    }
  }
  largest[id.x] = at;
}`;

/** Lists, in any order, each (block, group, score) whose score reaches the threshold of the block. */
export const hitsShader = `
@group(0) @binding(0) var<storage, read> maxima: array<f32>; // [groups, blocks]
@group(0) @binding(1) var<storage, read> thresholds: array<f32>; // [blocks]
@group(0) @binding(2) var<storage, read_write> count: atomic<u32>;
@group(0) @binding(3) var<storage, read_write> hits: array<vec4u>;
@group(0) @binding(4) var<uniform> sizes: vec4u; // blocks, groups

@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
  let block = workgroup.x * ${WORKGROUP}u + lane;
  let first = workgroup.y * ${RUN}u;
  for (var group = first; group < min(first + ${RUN}u, sizes.y); group++) {
    let score = maxima[group * sizes.x + block];
    if (score < thresholds[block]) { continue; }
    let at = atomicAdd(&count, 1u);
    if (at < arrayLength(&hits)) { hits[at] = vec4u(block, group, bitcast<u32>(score), 0u); }
  }
}`;
