// WGSL's own functions may be off by hundreds of units in the last place, flush small results, and take NaN and
// infinity for something that does not occur. These are right on every driver, to about two units in the last place.

/**
 * exponential, logarithm, hyperbolicTangent, logistic; order, larger and smaller of any two numbers; and tests for NaN
 * that a compiler cannot remove.
 *
 * @see Moshier, Cephes Mathematical Library, single precision: the polynomials
 */
export const wgslMath = /* wgsl */ `
fn bitsOf(x: f32) -> u32 { return bitcast<u32>(x); }
fn isNan(x: f32) -> bool { return (bitsOf(x) & 0x7fffffffu) > 0x7f800000u; }
fn isNumber(x: f32) -> bool { return (bitsOf(x) & 0x7f800000u) != 0x7f800000u; }
fn nan() -> f32 { var bits = 0x7fc00000u; return bitcast<f32>(bits); } // a constant NaN is no valid WGSL
fn infinity() -> f32 { var bits = 0x7f800000u; return bitcast<f32>(bits); }
fn order(x: f32) -> i32 { // integers in the order of the floats, of which a driver may take small ones for 0
  let bits = bitcast<i32>(x);
  return select(bits, -(bits & 0x7fffffff), bits < 0);
}
fn larger(p: f32, q: f32) -> f32 { return select(select(q, p, order(p) >= order(q) || isNan(p)), q, isNan(q) && !isNan(p)); }
fn smaller(p: f32, q: f32) -> f32 { return select(select(q, p, order(p) <= order(q) || isNan(p)), q, isNan(q) && !isNan(p)); }
fn negated(x: f32) -> f32 { return bitcast<f32>(bitsOf(x) ^ 0x80000000u); }
fn isBelowZero(x: f32) -> bool { return (bitsOf(x) >> 31u) == 1u && !isNan(x) && bitsOf(x) != 0x80000000u; }
fn powerOfTwo(k: i32) -> f32 { return bitcast<f32>(u32(k + 127) << 23u); }

fn exponential(x: f32) -> f32 {
  if (isNan(x)) { return x; }
  if (x > 88.8) { return infinity(); }
  if (x < -104.0) { return 0.0; }
  let n = round(x * 1.44269504);
  let r = fma(n, 2.12194440e-4, fma(n, -0.693359375, x)); // x - n ln 2, ln 2 in two parts
  var p = 1.9875691500e-4;
  p = fma(p, r, 1.3981999507e-3);
  p = fma(p, r, 8.3334519073e-3);
  p = fma(p, r, 4.1665795894e-2);
  p = fma(p, r, 1.6666665459e-1);
  p = fma(p, r, 5.0000001201e-1);
  let whole = i32(n);
  let half = whole / 2;
  return (fma(p, r * r, r) + 1.0) * powerOfTwo(half) * powerOfTwo(whole - half);
}

fn logarithm(x: f32) -> f32 {
  let bits = bitsOf(x);
  if ((bits & 0x7fffffffu) == 0u) { return -infinity(); }
  if (bits > 0x7f800000u) { return nan(); } // below zero, or NaN
  if (bits == 0x7f800000u) { return x; }
  var exponent = i32(bits >> 23u);
  var mantissa = bits & 0x7fffffu;
  if (exponent == 0) { // subnormal
    let shift = countLeadingZeros(mantissa) - 8u;
    mantissa = (mantissa << shift) & 0x7fffffu;
    exponent = 1 - i32(shift);
  }
  exponent -= 126;
  var f = bitcast<f32>(mantissa | 0x3f000000u); // [0.5, 1)
  if (f < 0.707106781) {
    exponent -= 1;
    f = f + f;
  }
  f -= 1.0;
  var p = 7.0376836292e-2;
  p = fma(p, f, -1.1514610310e-1);
  p = fma(p, f, 1.1676998740e-1);
  p = fma(p, f, -1.2420140846e-1);
  p = fma(p, f, 1.4249322787e-1);
  p = fma(p, f, -1.6668057665e-1);
  p = fma(p, f, 2.0000714765e-1);
  p = fma(p, f, -2.4999993993e-1);
  p = fma(p, f, 3.3333331174e-1);
  let z = f * f;
  let e = f32(exponent);
  let tail = fma(e, -2.12194440e-4, p * f * z) - 0.5 * z;
  return fma(e, 0.693359375, f + tail);
}

fn hyperbolicTangent(x: f32) -> f32 {
  if (isNan(x)) { return x; }
  let size = abs(x);
  if (size > 9.1) { return sign(x); }
  if (size >= 0.625) { return sign(x) * (1.0 - 2.0 / (exponential(2.0 * size) + 1.0)); }
  let z = x * x;
  var p = -5.70498872745e-3;
  p = fma(p, z, 2.06390887954e-2);
  p = fma(p, z, -5.37397155531e-2);
  p = fma(p, z, 1.33314422036e-1);
  p = fma(p, z, -3.33332819422e-1);
  return fma(p * z, x, x);
}

fn logistic(x: f32) -> f32 {
  let e = exponential(-abs(x));
  return select(e, 1.0, x >= 0.0) / (1.0 + e);
}
`;
