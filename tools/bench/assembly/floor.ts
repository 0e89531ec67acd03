// The machine's floor, as WebAssembly sees it: how fast can it multiply and add, how fast can it read?
// Thirteen accumulators cover the latency of two units, and with two factors still fit the registers of x86-64.
// Factors are arguments: V8 builds a v128 constant anew at every use, which halves the speed.

/** `count` rounds of 13 fused multiply-adds of 4 lanes: 104 flops each. */
export function fusedMultiplyAdds(count: i32, x: f32, y: f32): f32 {
  const a = f32x4.splat(x), b = f32x4.splat(y);
  let s0 = f32x4.splat(0), s1 = a, s2 = b, s3 = a, s4 = b, s5 = a, s6 = b;
  let s7 = a, s8 = b, s9 = a, s10 = b, s11 = a, s12 = b;
  for (let i = 0; i < count; i++) {
    s0 = f32x4.relaxed_madd(a, b, s0);
    s1 = f32x4.relaxed_madd(a, b, s1);
    s2 = f32x4.relaxed_madd(a, b, s2);
    s3 = f32x4.relaxed_madd(a, b, s3);
    s4 = f32x4.relaxed_madd(a, b, s4);
    s5 = f32x4.relaxed_madd(a, b, s5);
    s6 = f32x4.relaxed_madd(a, b, s6);
    s7 = f32x4.relaxed_madd(a, b, s7);
    s8 = f32x4.relaxed_madd(a, b, s8);
    s9 = f32x4.relaxed_madd(a, b, s9);
    s10 = f32x4.relaxed_madd(a, b, s10);
    s11 = f32x4.relaxed_madd(a, b, s11);
    s12 = f32x4.relaxed_madd(a, b, s12);
  }
  return total(s0, s1, s2, s3, s4, s5, s6) + total(s7, s8, s9, s10, s11, s12, a);
}

/** `count` rounds of 13 multiplications and 13 additions of 4 lanes: 104 flops each. */
export function multiplyThenAdds(count: i32, x: f32, y: f32): f32 {
  const a = f32x4.splat(x), b = f32x4.splat(y);
  let s0 = f32x4.splat(0), s1 = a, s2 = b, s3 = a, s4 = b, s5 = a, s6 = b;
  let s7 = a, s8 = b, s9 = a, s10 = b, s11 = a, s12 = b;
  for (let i = 0; i < count; i++) { // s = s a + b: nothing here can be hoisted out of the loop
    s0 = f32x4.add(f32x4.mul(s0, a), b);
    s1 = f32x4.add(f32x4.mul(s1, a), b);
    s2 = f32x4.add(f32x4.mul(s2, a), b);
    s3 = f32x4.add(f32x4.mul(s3, a), b);
    s4 = f32x4.add(f32x4.mul(s4, a), b);
    s5 = f32x4.add(f32x4.mul(s5, a), b);
    s6 = f32x4.add(f32x4.mul(s6, a), b);
    s7 = f32x4.add(f32x4.mul(s7, a), b);
    s8 = f32x4.add(f32x4.mul(s8, a), b);
    s9 = f32x4.add(f32x4.mul(s9, a), b);
    s10 = f32x4.add(f32x4.mul(s10, a), b);
    s11 = f32x4.add(f32x4.mul(s11, a), b);
    s12 = f32x4.add(f32x4.mul(s12, a), b);
  }
  return total(s0, s1, s2, s3, s4, s5, s6) + total(s7, s8, s9, s10, s11, s12, a);
}

/** Reads `bytes` (a multiple of 64) from address 0 upward. */
export function readAll(bytes: i32): i32 {
  let s0 = i32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
  for (let at = 0; at < bytes; at += 64) {
    s0 = v128.xor(s0, v128.load(at));
    s1 = v128.xor(s1, v128.load(at, 16));
    s2 = v128.xor(s2, v128.load(at, 32));
    s3 = v128.xor(s3, v128.load(at, 48));
  }
  const all = v128.xor(v128.xor(s0, s1), v128.xor(s2, s3));
  return i32x4.extract_lane(all, 0) ^ i32x4.extract_lane(all, 1) ^ i32x4.extract_lane(all, 2) ^ i32x4.extract_lane(all, 3);
}

function total(a: v128, b: v128, c: v128, d: v128, e: v128, f: v128, g: v128): f32 {
  const s = f32x4.add(f32x4.add(f32x4.add(a, b), f32x4.add(c, d)), f32x4.add(f32x4.add(e, f), g));
  return f32x4.extract_lane(s, 0) + f32x4.extract_lane(s, 1) + f32x4.extract_lane(s, 2) + f32x4.extract_lane(s, 3);
}
