// Matrix products in plain JavaScript: rows against rows, four by two at a time, summed in double precision.

type Matrix = Float32Array;

interface Product {
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

/**
 * C [M, N] = A · Bᵀ.
 *
 * @param a - rows [M, K]
 * @param b - rows [N, K]
 * @param c - overwritten [M, N]
 */
export function multiplyRows(a: Matrix, b: Matrix, c: Matrix, { M, N, K }: Product): void {
  const fullM = M - (M % 4);
  const fullN = N - (N % 2);
  for (let i = 0; i < fullM; i += 4) {
    for (let j = 0; j < fullN; j += 2) tile(a, b, c, i, j, N, K);
    if (fullN < N) for (let row = i; row < i + 4; row++) c[row * N + fullN] = dot(a, row, b, fullN, K);
  }
  for (let i = fullM; i < M; i++) for (let j = 0; j < N; j++) c[i * N + j] = dot(a, i, b, j, K);
}

/** Four rows of A against two of B: eight sums in registers for six loads. */
function tile(a: Matrix, b: Matrix, c: Matrix, i: number, j: number, N: number, K: number): void {
  let [s00, s01, s10, s11, s20, s21, s30, s31] = [0, 0, 0, 0, 0, 0, 0, 0];
  const [a0, a1, a2, a3] = [i * K, (i + 1) * K, (i + 2) * K, (i + 3) * K];
  const [b0, b1] = [j * K, (j + 1) * K];
  for (let k = 0; k < K; k++) {
    const x = b[b0 + k] as number;
    const y = b[b1 + k] as number;
    const p = a[a0 + k] as number;
    const q = a[a1 + k] as number;
    const r = a[a2 + k] as number;
    const s = a[a3 + k] as number;
    s00 += p * x;
    s01 += p * y;
    s10 += q * x;
    s11 += q * y;
    s20 += r * x;
    s21 += r * y;
    s30 += s * x;
    s31 += s * y;
  }
  const at = i * N + j;
  c[at] = s00;
  c[at + 1] = s01;
  c[at + N] = s10;
  c[at + N + 1] = s11;
  c[at + 2 * N] = s20;
  c[at + 2 * N + 1] = s21;
  c[at + 3 * N] = s30;
  c[at + 3 * N + 1] = s31;
}

function dot(a: Matrix, i: number, b: Matrix, j: number, K: number): number {
  let sum = 0;
  for (let k = 0; k < K; k++) sum += (a[i * K + k] as number) * (b[j * K + k] as number);
  return sum;
}

/** The transpose of a matrix [rows, columns]. */
export function turn(source: Matrix, rows: number, columns: number): Matrix {
  const turned = new Float32Array(rows * columns);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) turned[j * rows + i] = source[i * columns + j] as number;
  return turned;
}
