// Built from + - * / and Math.sqrt alone, which IEEE 754 rounds in one way: every machine gives the same bits.
// Math.log may differ between engines.
// The constants are those of the sources, written as the nearest doubles.

/**
 * Natural logarithm of x in (0, 1), error below 1 ulp.
 *
 * With x = 2^k (1 + f) and s = f / (2 + f), `log x = k ln 2 + 2s + (2/3) s³ + (2/5) s⁵ + ...`, the tail as a
 * minimax polynomial.
 *
 * @see fdlibm, e_log.c, Sun Microsystems 1993
 */
export function logBelowOne(x: number): number {
  let k = 0;
  let m = x;
  while (m < Math.SQRT1_2) {
    m *= 2; // exact
    k -= 1;
  }
  const f = m - 1; // exact, m is in [sqrt(1/2), 1)
  const s = f / (2 + f);
  const z = s * s;
  let tail = 0.14798198605116586;
  tail = tail * z + 0.15313837699209373;
  tail = tail * z + 0.1818357216161805;
  tail = tail * z + 0.22222198432149784;
  tail = tail * z + 0.2857142874366239;
  tail = tail * z + 0.3999999999940942;
  tail = tail * z + 0.6666666666666735;
  tail *= z;
  const half = 0.5 * f * f;
  // ln 2 in two parts: k times the first is exact.
  return k * 0.6931471803691238 - (half - (s * (half + tail) + k * 1.9082149292705877e-10) - f);
}

/**
 * The inverse of the normal distribution function: the z below which a share `p` of a standard normal lies.
 *
 * @param p - probability in (0, 1)
 * @returns z, relative error below 1e-14 for p in [2^-53, 1 - 2^-53]
 * @see Wichura 1988, Algorithm AS 241 (PPND16), Applied Statistics 37(3)
 */
export function inverseNormal(p: number): number {
  const q = p - 0.5;
  if (q >= -0.425 && q <= 0.425) {
    const r = 0.180625 - q * q;
    let a = 2509.0809287301227;
    a = a * r + 33430.57558358813;
    a = a * r + 67265.7709270087;
    a = a * r + 45921.95393154987;
    a = a * r + 13731.69376550946;
    a = a * r + 1971.5909503065513;
    a = a * r + 133.14166789178438;
    a = a * r + 3.3871328727963665;
    let b = 5226.495278852854;
    b = b * r + 28729.085735721943;
    b = b * r + 39307.89580009271;
    b = b * r + 21213.794301586597;
    b = b * r + 5394.196021424751;
    b = b * r + 687.1870074920579;
    b = b * r + 42.31333070160091;
    b = b * r + 1;
    return (q * a) / b;
  }

  const root = Math.sqrt(-logBelowOne(q < 0 ? p : 1 - p));
  let c: number;
  let d: number;
  if (root <= 5) {
    const r = root - 1.6;
    c = 0.0007745450142783414;
    c = c * r + 0.022723844989269184;
    c = c * r + 0.2417807251774506;
    c = c * r + 1.2704582524523684;
    c = c * r + 3.6478483247632045;
    c = c * r + 5.769497221460691;
    c = c * r + 4.630337846156546;
    c = c * r + 1.4234371107496835;
    d = 1.0507500716444169e-9;
    d = d * r + 0.0005475938084995345;
    d = d * r + 0.015198666563616457;
    d = d * r + 0.14810397642748008;
    d = d * r + 0.6897673349851;
    d = d * r + 1.6763848301838038;
    d = d * r + 2.053191626637759;
    d = d * r + 1;
  } else {
    const r = root - 5;
    c = 2.0103343992922881e-7;
    c = c * r + 0.000027115555687434876;
    c = c * r + 0.0012426609473880784;
    c = c * r + 0.026532189526576124;
    c = c * r + 0.29656057182850487;
    c = c * r + 1.7848265399172913;
    c = c * r + 5.463784911164114;
    c = c * r + 6.657904643501103;
    d = 2.0442631033899397e-15;
    d = d * r + 1.421511758316446e-7;
    d = d * r + 0.000018463183175100548;
    d = d * r + 0.0007868691311456133;
    d = d * r + 0.014875361290850615;
    d = d * r + 0.1369298809227358;
    d = d * r + 0.599832206555888;
    d = d * r + 1;
  }
  return q < 0 ? -c / d : c / d;
}
