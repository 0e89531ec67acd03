import type { LfsrConfig } from "../../codec/config.ts";
import { jump } from "../../lfsr/lfsr-jump.ts";

/** Invocations in a workgroup of every program that decodes. */
export const WORKGROUP = 64;

/**
 * WGSL that decodes blocks of one configuration from `payload: array<u32>`, as `packPayload` wrote it:
 * `fillTable(local)`, which all invocations of a workgroup call first, and `decodeBlock(block)`, which leaves C weights
 * in `w`. The table lies in workgroup memory.
 *
 * States are windows of the bit stream that begins with the seed where that fits 64 bits, else they are stepped.
 */
export function decodeCode(config: LfsrConfig): string {
  const { C, P, K, decimation } = config;
  const hasStream = K === 16 && decimation === 1 && C * P <= 48;
  const unit = new Uint32Array(Float32Array.of(1 / (2 ** (K - 1) - 1)).buffer)[0] as number;
  const isOdd = P % 2 === 1;
  const codeBytes = isOdd ? (P + 1) / 2 : P / 2;
  return /* wgsl */ `
const C = ${C}u;
const P = ${P}u;
var<private> w: array<f32, ${C}>;
fn nibbleAt(byte: u32, k: u32) -> u32 {
  let at = byte * 2u + k;
  return (payload[at >> 3u] >> ((at & 7u) * 4u)) & 15u;
}
fn seedOf(block: u32) -> u32 {
  ${K <= 16 ? "return (payload[16u + (block >> 1u)] >> ((block & 1u) * 16u)) & 0xffffu;" : "return payload[16u + block];"}
}
/** float32(1 / H) 2^exponent, exactly. */
fn scaleOf(block: u32) -> f32 {
  let code = ${isOdd ? `nibbleAt(payload[11] + block * ${codeBytes}u, 0u)` : "nibbleAt(payload[12], block)"};
  return bitcast<f32>(${unit}u) * bitcast<f32>((127u + payload[7] + code) << 23u);
}
fn coefficient(block: u32, p: u32) -> i32 {
  return i32(nibbleAt(payload[11] + block * ${codeBytes}u, p + ${isOdd ? 1 : 0}u) << 28u) >> 28u;
}
${hasStream ? streamCode(config) : stepCode(config)}`;
}

/** The C · P bits after the seed are linear in it: an XOR of two table entries for each 32 of them. */
function streamCode({ C, P, K, taps }: LfsrConfig): string {
  const words = C * P > 32 ? 2 : 1;
  const columns = Array.from({ length: words }, (_, word) =>
    Array.from({ length: 16 }, (_, j) => {
      const first = jump(1 << j, 32 * word + K, K, taps);
      return (first | (jump(first, K, K, taps) << K)) >>> 0;
    }),
  ).flat();
  const weight = (c: number) => {
    const terms = Array.from({ length: P }, (_, p) => `q${p} * i32(${windowAt(c * P + p + 1)})`);
    return `w[${c}] = f32(${terms.join(" + ")} - offset) * scale;`;
  };
  const coefficients = Array.from({ length: P }, (_, p) => `let q${p} = coefficient(block, ${p}u);`);
  const sum = Array.from({ length: P }, (_, p) => `q${p}`).join(" + ");
  return /* wgsl */ `
var<workgroup> table: array<u32, ${512 * words}>;
fn fillTable(local: u32) {
  let columns = array<u32, ${columns.length}>(${columns.map((bits) => `${bits}u`).join(", ")});
  for (var i = local; i < ${512 * words}u; i += ${WORKGROUP}u) {
    var bits = 0u;
    for (var j = 0u; j < 8u; j++) {
      bits ^= select(0u, columns[(i >> 8u) * 8u + j], ((i >> j) & 1u) == 1u);
    }
    table[i] = bits;
  }
  workgroupBarrier();
}
fn decodeBlock(block: u32) {
  let seed = seedOf(block);
  let scale = scaleOf(block);
  ${coefficients.join(" ")}
  let offset = (${sum}) * 32768;
  let next = table[seed & 255u] ^ table[256u + (seed >> 8u)];
  ${words > 1 ? "let after = table[512u + (seed & 255u)] ^ table[768u + (seed >> 8u)];" : ""}
  let a = seed | (next << 16u); // bits 0 to 31 of the stream
  ${words > 1 ? "let b = (next >> 16u) | (after << 16u);" : "let b = next >> 16u;"} // and those after
  ${Array.from({ length: C }, (_, c) => weight(c)).join("\n  ")}
}`;
}

/** The 16 bits of the stream from bit n on. */
function windowAt(n: number): string {
  if (n <= 16) return `((a >> ${n}u) & 0xffffu)`;
  if (n < 32) return `(((a >> ${n}u) | (b << ${32 - n}u)) & 0xffffu)`;
  return `((b >> ${n - 32}u) & 0xffffu)`;
}

/** Any configuration: a step of d is linear in the state, an XOR of an entry for each of its bytes. */
function stepCode({ C, P, K, taps, decimation }: LfsrConfig): string {
  const columns = Array.from({ length: 24 }, (_, j) => (j < K ? jump(1 << j, decimation, K, taps) : 0));
  return /* wgsl */ `
var<workgroup> table: array<u32, 768>;
fn fillTable(local: u32) {
  let columns = array<u32, 24>(${columns.map((bits) => `${bits}u`).join(", ")});
  for (var i = local; i < 768u; i += ${WORKGROUP}u) {
    var bits = 0u;
    for (var j = 0u; j < 8u; j++) {
      bits ^= select(0u, columns[(i >> 8u) * 8u + j], ((i >> j) & 1u) == 1u);
    }
    table[i] = bits;
  }
  workgroupBarrier();
}
fn decodeBlock(block: u32) {
  var state = seedOf(block);
  let scale = scaleOf(block);
  for (var c = 0u; c < ${C}u; c++) {
    var sum = 0;
    for (var p = 0u; p < ${P}u; p++) {
      state = table[state & 255u] ^ table[256u + ((state >> 8u) & 255u)] ^ table[512u + (state >> 16u)];
      sum += (i32(state) - ${2 ** (K - 1)}) * coefficient(block, p);
    }
    w[c] = f32(sum) * scale;
  }
}`;
}
