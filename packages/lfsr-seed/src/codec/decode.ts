import { jump } from "../lfsr/lfsr-jump.ts";
import { nibble } from "./block-code.ts";
import type { LfsrConfig } from "./config.ts";
import { blockGrid, type LfsrTensor } from "./lfsr-tensor.ts";
import { powerOfTwo } from "./power-of-two.ts";

export interface RowRange {
  /** First row. @default 0 */
  start?: number | undefined;
  /** The row after the last. @default all rows */
  end?: number | undefined;
}

/**
 * All weights: `w_c = float32(isum_c * float32(1 / H) * 2^e)` with `isum = S q` in integers and H = 2^(K-1) - 1. One
 * rounding a weight, so the bits are the same everywhere.
 *
 * @param into - where the weights go; a new array where nothing is said
 * @returns weights of the tensor's shape, row-major
 * @throws RangeError when `into` has another length
 */
export function decodeTensor(
  tensor: LfsrTensor,
  into?: Float32Array<ArrayBuffer>,
): Float32Array<ArrayBuffer> {
  return decodeRows(tensor, {}, into);
}

/**
 * Some rows of the matrix [product of all axes but the last, last axis], without decoding the others.
 *
 * @param into - where the weights go; a new array where nothing is said
 * @returns weights [end - start, columns], row-major
 * @throws RangeError when the range is not inside the tensor, or `into` has another length
 */
export function decodeRows(
  tensor: LfsrTensor,
  range: RowRange,
  into?: Float32Array<ArrayBuffer>,
): Float32Array<ArrayBuffer> {
  const { config, shape, layout } = tensor;
  const { C } = config;
  const { rows, cols, blocksPerRow } = blockGrid("decodeRows", shape, C, layout);
  const { start = 0, end = rows } = range;
  if (!(Number.isInteger(start) && Number.isInteger(end) && start >= 0 && start <= end && end <= rows)) {
    throw new RangeError(
      `decodeRows: range is [${start}, ${end}), expected integers inside [0, ${rows}). The tensor is [${shape}].`,
    );
  }
  const size = (end - start) * cols;
  const out = into ?? new Float32Array(size);
  if (out.length !== size) {
    throw new RangeError(
      `decodeRows: into has ${out.length} elements, expected ${size}. Pass one per weight.`,
    );
  }

  const decode = blockDecoder(tensor);
  if (layout === "flat" || cols % C === 0) {
    decodeElements(decode, C, start * cols, out);
  } else {
    for (let row = start; row < end; row++) {
      const at = (row - start) * cols;
      decodeElements(decode, C, row * blocksPerRow * C, out.subarray(at, at + cols));
    }
  }
  return out;
}

/** Writes blocks first..last - 1, with their padding, to `out` from `at` on. */
export type BlockDecoder = (first: number, last: number, out: Float32Array, at: number) => void;

/** Fills `out` with the elements from `first` on, counted through all blocks with their padding. */
function decodeElements(decode: BlockDecoder, C: number, first: number, out: Float32Array): void {
  const whole = Math.ceil(first / C);
  const head = Math.min(whole * C - first, out.length);
  const blocks = Math.floor((out.length - head) / C);
  decode(whole, whole + blocks, out, head);
  const tail = head + blocks * C;
  if (head === 0 && tail === out.length) return;

  const block = new Float32Array(C);
  if (head > 0) {
    decode(whole - 1, whole, block, 0);
    out.set(block.subarray(C - (whole * C - first)).subarray(0, head));
  }
  if (tail < out.length) {
    decode(whole + blocks, whole + blocks + 1, block, 0);
    out.set(block.subarray(0, out.length - tail), tail);
  }
}

/** The fastest decoder for the tensor's configuration. It reads the codes anew at each call. */
export function blockDecoder(tensor: LfsrTensor): BlockDecoder {
  const { C, P, K, decimation } = tensor.config;
  if (K === 16 && decimation === 1 && P === 3 && C === 8) return streamDecoder3(tensor);
  if (K === 16 && decimation === 1 && P === 4 && C % 4 === 0 && C <= 16) return streamDecoder4(tensor);
  return steppingDecoder(tensor);
}

/**
 * Any configuration, state by state: a step of d is linear over GF(2), so it is the XOR of one table entry per byte
 * of the state.
 */
function steppingDecoder({ config, seeds, codes, exponents, expBias }: LfsrTensor): BlockDecoder {
  const { C, P, K } = config;
  const isOdd = P % 2 === 1;
  const [low, middle, high] = stepTables(config);
  const scales = scaleTable(config, expBias);
  const q = new Int32Array(P);
  return (first, last, out, from) => {
    for (let block = first, at = from; block < last; block++) {
      const start = block * (isOdd ? P + 1 : P);
      const scale = scales[isOdd ? nibble(codes, start) : nibble(exponents, block)] as number;
      let offset = 0; // S = V - 2^(K-1)
      for (let p = 0; p < P; p++) {
        q[p] = (nibble(codes, start + p + (isOdd ? 1 : 0)) << 28) >> 28;
        offset += (q[p] as number) * 2 ** (K - 1);
      }
      let state = seeds[block] as number;
      for (let c = 0; c < C; c++) {
        let sum = -offset;
        for (let p = 0; p < P; p++) {
          state =
            (low[state & 255] as number) ^
            (middle[(state >>> 8) & 255] as number) ^
            (high[(state >>> 16) & 255] as number);
          sum += state * (q[p] as number);
        }
        out[at++] = Math.fround(sum) * scale; // the sum fits float32 where K <= 16
      }
    }
  };
}

/**
 * (8, 3, 16): the states are windows of one bit stream, and its 24 bits after the seed are one XOR of two table
 * entries.
 */
function streamDecoder3({ config, seeds, codes, expBias }: LfsrTensor): BlockDecoder {
  const [low, high] = streamTables(config, 0);
  const scales = scaleTable(config, expBias);
  return (first, last, out, from) => {
    for (let block = first, at = from; block < last; block++, at += 8) {
      const seed = seeds[block] as number;
      const word = (codes[2 * block] as number) | ((codes[2 * block + 1] as number) << 8);
      const scale = scales[word & 15] as number;
      const a = (word << 24) >> 28;
      const b = (word << 20) >> 28;
      const c = (word << 16) >> 28;
      const offset = (a + b + c) << 15;
      const next = (low[seed & 255] as number) ^ (high[seed >>> 8] as number);
      const near = seed | (next << 16); // states 0..16 are its windows, 16..24 those of next
      for (let row = 0; row < 8; row++) {
        const bits = row < 5 ? near >>> (3 * row + 1) : next >>> (3 * row - 15); // next is the stream from bit 16 on
        const sum = a * (bits & 65535) + b * ((bits >>> 1) & 65535) + c * ((bits >>> 2) & 65535);
        out[at + row] = (sum - offset) * scale;
      }
    }
  };
}

/** (C, 4, 16) with C = 4, 8, 12 or 16: as for P = 3, four weights from each 16 bits of the stream. */
function streamDecoder4({ config, seeds, codes, exponents, expBias }: LfsrTensor): BlockDecoder {
  const { C } = config;
  const [low, high] = streamTables(config, 0);
  const [low2, high2] = streamTables(config, 32);
  const scales = scaleTable(config, expBias);
  return (first, last, out, from) => {
    for (let block = first, at = from; block < last; block++) {
      const seed = seeds[block] as number;
      const word = (codes[2 * block] as number) | ((codes[2 * block + 1] as number) << 8);
      const scale = scales[nibble(exponents, block)] as number;
      const a = (word << 28) >> 28;
      const b = (word << 24) >> 28;
      const c = (word << 20) >> 28;
      const d = (word << 16) >> 28;
      const offset = (a + b + c + d) << 15;
      const next = (low[seed & 255] as number) ^ (high[seed >>> 8] as number);
      const after = C > 8 ? (low2[seed & 255] as number) ^ (high2[seed >>> 8] as number) : 0;
      for (let row = 0, bits = seed | (next << 16); row < C; row += 4, at += 4) {
        for (let shift = 1; shift <= 13; shift += 4) {
          const sum =
            a * ((bits >>> shift) & 65535) +
            b * ((bits >>> (shift + 1)) & 65535) +
            c * ((bits >>> (shift + 2)) & 65535) +
            d * ((bits >>> (shift + 3)) & 65535);
          out[at + (shift >> 2)] = (sum - offset) * scale;
        }
        bits = row === 0 ? next : row === 4 ? (next >>> 16) | (after << 16) : after;
      }
    }
  };
}

/** float32(1 / H) * 2^(expBias + code) for the 16 codes: exact products of normal float32 numbers. */
function scaleTable({ K }: LfsrConfig, expBias: number): Float64Array {
  const unit = Math.fround(1 / (2 ** (K - 1) - 1));
  return Float64Array.from({ length: 16 }, (_, code) => unit * powerOfTwo(expBias + code));
}

/** For each byte of a state, where its 256 values go in d steps; the XOR of the three is the state. */
function stepTables({ K, taps, decimation }: LfsrConfig): [Uint32Array, Uint32Array, Uint32Array] {
  const columns = Array.from({ length: K }, (_, j) => jump(1 << j, decimation, K, taps));
  return [byteTable(columns, 0), byteTable(columns, 8), byteTable(columns, 16)];
}

/**
 * The 32 bits of the stream that come `skip` bits after a seed of 16 bits, as the XOR of one entry for its low and
 * one for its high byte.
 */
function streamTables({ K, taps }: LfsrConfig, skip: number): [Int32Array, Int32Array] {
  const columns = Array.from({ length: K }, (_, j) => {
    const first = jump(1 << j, skip + K, K, taps);
    return first | (jump(first, K, K, taps) << K);
  });
  return [Int32Array.from(byteTable(columns, 0)), Int32Array.from(byteTable(columns, 8))];
}

/** XOR of the columns that the bits of each byte select, for the byte that begins at bit `shift`. */
function byteTable(columns: readonly number[], shift: number): Uint32Array {
  const table = new Uint32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let bits = 0;
    for (let j = 0; j < 8; j++) if ((byte >>> j) & 1) bits ^= columns[shift + j] ?? 0;
    table[byte] = bits;
  }
  return table;
}
