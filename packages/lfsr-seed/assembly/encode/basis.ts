// The exact basis of one seed and its Cholesky factor: float64, in the order that the normative encoder sums in.

import { plan } from "./plan";

/** A pivot at most this part of its diagonal marks columns that are nearly dependent. */
// @ts-ignore: decorator
@inline
const PIVOT_TOLERANCE: f64 = 1e-5;

/** A position on the cycle, which may be given beyond its end. */
// @ts-ignore: decorator
@inline
export function wrap(position: i32): i32 {
  return position < plan.period ? position : position % plan.period;
}

// @ts-ignore: decorator
@inline
export function stateAt(position: i32): i32 {
  return load<i32>(plan.states + (<usize>wrap(position) << 2));
}

/** Puts S [C, P] of the seed at `position` into plan.basis. */
export function readBasis(position: i32): void {
  const count = plan.C * plan.P;
  const middle = 1 << (plan.K - 1);
  let at = position;
  for (let i = 0; i < count; i++) {
    at = wrap(at + plan.decimation);
    store<i32>(plan.basis + (<usize>i << 2), load<i32>(plan.states + (<usize>at << 2)) - middle);
  }
}

// @ts-ignore: decorator
@inline
export function basisAt(c: i32, p: i32): f64 {
  return <f64>load<i32>(plan.basis + (<usize>(c * plan.P + p) << 2));
}

// @ts-ignore: decorator
@inline
export function importanceOf(c: i32): f64 {
  return load<f64>(plan.importance + (<usize>c << 3));
}

/** L[i][j] of the factor in plan.factor. */
// @ts-ignore: decorator
@inline
export function factorAt(i: i32, j: i32): f64 {
  return load<f64>(plan.factor + (<usize>((i * (i + 1)) / 2 + j) << 3));
}

/** Puts the factor of the basis' Gram matrix into plan.factor. Returns 0 where a pivot is too small. */
export function factorBasis(): i32 {
  const C = plan.C;
  const P = plan.P;
  for (let i = 0; i < P; i++) {
    for (let j = 0; j <= i; j++) {
      let gram: f64 = 0;
      for (let c = 0; c < C; c++) {
        const product = basisAt(c, i) * basisAt(c, j);
        gram += plan.isWeighted ? product * importanceOf(c) : product;
      }
      let rest = gram;
      for (let k = 0; k < j; k++) rest -= factorAt(i, k) * factorAt(j, k);
      if (i == j) {
        if (!(rest > PIVOT_TOLERANCE * gram)) return 0;
        rest = sqrt(rest);
      } else {
        rest = rest / factorAt(j, j);
      }
      store<f64>(plan.factor + (<usize>((i * (i + 1)) / 2 + j) << 3), rest);
    }
  }
  return 1;
}
