import { abs, add, div, exp, less, mul, square, sub, type Tensor, where } from "@corenet/tensor";

export function geluReference([x]: [Tensor]): [Tensor] {
  return [mul(x, normalMass(x, bell(x)))];
}

/** d/dx x Φ(x) = Φ(x) + x φ(x), with φ(x) = e^(−x²/2) / √(2π). */
export function geluGradReference([x, dy]: [Tensor, Tensor]): [Tensor] {
  const e = bell(x);
  const slope = add(normalMass(x, e), mul(mul(x, e), 1 / Math.sqrt(2 * Math.PI)));
  return [mul(dy, slope)];
}

/** e^(−x²/2) */
function bell(x: Tensor): Tensor {
  return exp(mul(square(x), -0.5));
}

/**
 * Φ(x) = ½ (1 + erf(x / √2)), from e = e^(−x²/2). The mass beyond |x| is e · t · P(t) with t = 1 / (1 + 0.305 |x|): the
 * form of Abramowitz and Stegun 7.1.26, with a polynomial of degree 7 by Remez (relative error 9.4e-8 to |x| = 14).
 */
function normalMass(x: Tensor, e: Tensor): Tensor {
  const t = div(1, add(mul(abs(x), 0.305), 1));
  const [highest, ...lower] = COEFFICIENTS;
  let p: Tensor = mul(t, highest);
  for (const [i, coefficient] of lower.entries()) {
    p = add(p, coefficient);
    if (i < lower.length - 1) p = mul(p, t);
  }
  const tail = mul(e, mul(t, p));
  return where(less(x, 0), tail, sub(1, tail));
}

export const COEFFICIENTS = [
  3.669919e-2, -0.15298831, 0.18571689, -3.7976816e-2, 0.12102167, 0.10342087, 0.12246682, 0.12163973,
] as const;
