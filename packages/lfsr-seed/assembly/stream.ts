// What follows a seed. A state of the register is a window of K bits on one stream that begins with the seed; both the
// bits after it and the state some steps on are linear in the seed over GF(2), so each is an XOR of table entries, one
// for every byte of the seed.

import { ANY, decimationOf, kindOf, sizeC, sizeK, sizeP, tapsOf } from "./payload";

/** Bytes of the tables of a matrix. */
// @ts-ignore: decorator
@inline
export const TABLE_BYTES: usize = 4096;

// @ts-ignore: decorator
@inline
function step(state: u32, K: i32, taps: u32): u32 {
  return (state >> 1) | ((popcnt(state & taps) & 1) << (K - 1));
}

/** The `count` <= 64 bits of the stream after a seed, the first in bit 0. */
function bitsAfter(seed: u32, K: i32, taps: u32, count: i32): u64 {
  let state = seed;
  let bits: u64 = 0;
  for (let i = 0; i < count; i++) {
    state = step(state, K, taps);
    bits |= <u64>(state >> (K - 1)) << <u64>i;
  }
  return bits;
}

/** u64 [2, 256]: the `count` bits after a seed s of 16 bits are the XOR of [0][s & 255] and [1][s >> 8]. */
function streamTables(taps: u32, count: i32, tables: usize): void {
  for (let half = 0; half < 2; half++) {
    const to = tables + (<usize>half << 11);
    store<u64>(to, 0);
    for (let j = 0; j < 8; j++) {
      const column = bitsAfter(1 << (8 * half + j), 16, taps, count);
      const size = <usize>8 << j;
      for (let i: usize = 0; i < size; i += 8) store<u64>(to + size + i, load<u64>(to + i) ^ column);
    }
  }
}

/** u32 [3, 256]: the state d steps after s is the XOR of [0][s & 255], [1][s >> 8 & 255] and [2][s >> 16]. */
function stepTables(K: i32, taps: u32, d: i32, tables: usize): void {
  for (let part = 0; part < 3; part++) {
    const to = tables + (<usize>part << 10);
    store<u32>(to, 0);
    for (let j = 0; j < 8; j++) {
      const bit = 8 * part + j;
      let column: u32 = bit < K ? 1 << bit : 0;
      for (let i = 0; i < d; i++) column = step(column, K, taps);
      const size = <usize>4 << j;
      for (let i: usize = 0; i < size; i += 4) store<u32>(to + size + i, load<u32>(to + i) ^ column);
    }
  }
}

/** Fills the tables of a matrix: `streamTables` where it has kernels of its own, else `stepTables`. */
export function fillTables(m: usize, tables: usize): void {
  if (kindOf(m) == ANY) stepTables(sizeK(m), tapsOf(m), decimationOf(m), tables);
  else streamTables(tapsOf(m), sizeC(m) * sizeP(m), tables);
}

/** The bits after a seed of 16 bits, by `streamTables`. */
// @ts-ignore: decorator
@inline
export function bitsByTable(tables: usize, seed: u32): u64 {
  return load<u64>(tables + (<usize>(seed & 255) << 3)) ^ load<u64>(tables + (<usize>(seed >> 8) << 3), 2048);
}

/** The next state, by `stepTables`. */
// @ts-ignore: decorator
@inline
export function stepByTable(tables: usize, state: u32): u32 {
  return (
    load<u32>(tables + (<usize>(state & 255) << 2)) ^
    load<u32>(tables + (<usize>((state >> 8) & 255) << 2), 1024) ^
    load<u32>(tables + (<usize>(state >> 16) << 2), 2048)
  );
}
