/** Copies `blocks` blocks of blockBytes; the strides are the distances of their beginnings in bytes. No overlap. */
export function copyBlocks(
  src: usize, srcStrideBytes: usize, dst: usize, dstStrideBytes: usize, blocks: i32, blockBytes: usize,
): void {
  for (let i = 0; i < blocks; i++) {
    memory.copy(dst, src, blockBytes);
    src += srcStrideBytes;
    dst += dstStrideBytes;
  }
}

/** dst row i = src row ids[i], for i in [begin, end); ids i32, rows of rowBytes; an id below 0 gives a row of zeros. */
export function gatherRows(src: usize, ids: usize, rowBytes: usize, dst: usize, begin: i32, end: i32): void {
  for (let i = <usize>begin; i < <usize>end; i++) {
    const id = load<i32>(ids + (i << 2));
    if (id < 0) memory.fill(dst + i * rowBytes, 0, rowBytes);
    else memory.copy(dst + i * rowBytes, src + <usize>id * rowBytes, rowBytes);
  }
}

/** out [segments, D] = for each segment the sum of the rows [n, D] with that id, in their order; ids i32 [n], outside [0, segments): skipped. */
export function segmentSum(rows: usize, ids: usize, n: i32, D: i32, out: usize, segments: i32): void {
  const bytes = <usize>D << 2;
  memory.fill(out, 0, <usize>segments * bytes);
  for (let i = <usize>0; i < <usize>n; i++) {
    const id = load<i32>(ids + (i << 2));
    if (<u32>id >= <u32>segments) continue;
    const from = rows + i * bytes;
    const to = out + <usize>id * bytes;
    let j = 0;
    for (; j + 4 <= D; j += 4) {
      const at = <usize>j << 2;
      v128.store(to + at, f32x4.add(v128.load(to + at), v128.load(from + at)));
    }
    for (; j < D; j++) {
      const at = <usize>j << 2;
      store<f32>(to + at, load<f32>(to + at) + load<f32>(from + at));
    }
  }
}

/** out[i] = cond[i] ? a[i] : b[i] for i in [begin, end): cond one byte each, a and b four. */
export function select(cond: usize, a: usize, b: usize, out: usize, begin: i32, end: i32): void {
  let i = begin;
  for (; i + 4 <= end; i += 4) {
    const at = <usize>i << 2;
    const bytes = v128.load32_zero(cond + <usize>i);
    const mask = i32x4.ne(i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(bytes)), i32x4.splat(0));
    v128.store(out + at, v128.bitselect(v128.load(a + at), v128.load(b + at), mask));
  }
  for (; i < end; i++) {
    const at = <usize>i << 2;
    store<u32>(out + at, load<u8>(cond + <usize>i) ? load<u32>(a + at) : load<u32>(b + at));
  }
}

/** dst [outer, inner] = src [inner] in every row of [begin, end), four-byte elements. */
export function broadcastRows(src: usize, inner: i32, dst: usize, begin: i32, end: i32): void {
  const bytes = <usize>inner << 2;
  for (let r = <usize>begin; r < <usize>end; r++) memory.copy(dst + r * bytes, src, bytes);
}

/** n four-byte elements from src, `stride` elements apart (0 repeats one), to dst, side by side. */
function copyLine(src: usize, stride: i32, n: i32, dst: usize): void {
  if (stride == 1 && n > 256) {
    memory.copy(dst, src, <usize>n << 2);
    return;
  }
  if (stride == 1) {
    let i = 0; // a short line is copied before memory.copy has begun
    for (; i + 4 <= n; i += 4) v128.store(dst + (<usize>i << 2), v128.load(src + (<usize>i << 2)));
    for (; i < n; i++) store<u32>(dst + (<usize>i << 2), load<u32>(src + (<usize>i << 2)));
    return;
  }
  if (stride == 0) {
    const value = v128.load32_splat(src);
    let i = 0;
    for (; i + 4 <= n; i += 4) v128.store(dst + (<usize>i << 2), value);
    for (; i < n; i++) store<u32>(dst + (<usize>i << 2), load<u32>(src));
    return;
  }
  for (let i = 0; i < n; i++) store<u32>(dst + (<usize>i << 2), load<u32>(src + (<usize>(i * stride) << 2)));
}

/**
 * dst [n0, …, n5], without gaps, from src read with strides s0 … s5 in elements (0 broadcasts, any order transposes), for
 * four-byte elements. Lower ranks put ones in front. Lines [begin, end) of the n0*n1*n2*n3*n4 are done.
 */
export function stridedCopy(
  src: usize, n1: i32, n2: i32, n3: i32, n4: i32, n5: i32,
  s0: i32, s1: i32, s2: i32, s3: i32, s4: i32, s5: i32, dst: usize, begin: i32, end: i32,
): void {
  for (let line = begin; line < end; line++) {
    let rest = line;
    const i4 = rest % n4;
    rest /= n4;
    const i3 = rest % n3;
    rest /= n3;
    const i2 = rest % n2;
    rest /= n2;
    const at = (rest / n1) * s0 + (rest % n1) * s1 + i2 * s2 + i3 * s3 + i4 * s4;
    copyLine(src + (<usize>at << 2), s5, n5, dst + (<usize>line * <usize>n5 << 2));
  }
}
