const rotate = (x: number, by: number) => (x << by) | (x >>> (32 - by));

function finalMix(x: number): number {
  let h = x;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/**
 * MurmurHash3_x86_128 with seed 0: spreads any bytes over 128 bits. Not for secrets.
 *
 * @returns the hash as four unsigned 32-bit words
 * @see Appleby, https://github.com/aappleby/smhasher, MurmurHash3.cpp (public domain)
 */
export function murmur3(bytes: Uint8Array): [number, number, number, number] {
  const c = [0x239b961b, 0xab0e9789, 0x38b34ae5, 0xa1e38b93] as const;
  const mixed = (k: number, lane: 0 | 1 | 2 | 3) =>
    Math.imul(rotate(Math.imul(k, c[lane]), 15 + lane), c[((lane + 1) % 4) as 0 | 1 | 2 | 3]);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = bytes.length;
  let [a, b, d, e] = [0, 0, 0, 0];

  const blocksEnd = length - (length % 16);
  for (let i = 0; i < blocksEnd; i += 16) {
    a ^= mixed(view.getUint32(i, true), 0);
    a = (Math.imul(rotate(a, 19) + b, 5) + 0x561ccd1b) | 0;
    b ^= mixed(view.getUint32(i + 4, true), 1);
    b = (Math.imul(rotate(b, 17) + d, 5) + 0x0bcaa747) | 0;
    d ^= mixed(view.getUint32(i + 8, true), 2);
    d = (Math.imul(rotate(d, 15) + e, 5) + 0x96cd1c35) | 0;
    e ^= mixed(view.getUint32(i + 12, true), 3);
    e = (Math.imul(rotate(e, 13) + a, 5) + 0x32ac3b17) | 0;
  }

  if (length > blocksEnd) {
    const tail = new DataView(new ArrayBuffer(16));
    bytes.subarray(blocksEnd).forEach((byte, i) => {
      tail.setUint8(i, byte);
    });
    a ^= mixed(tail.getUint32(0, true), 0);
    b ^= mixed(tail.getUint32(4, true), 1);
    d ^= mixed(tail.getUint32(8, true), 2);
    e ^= mixed(tail.getUint32(12, true), 3);
  }

  const crossMix = () => {
    a = (a + b + d + e) | 0;
    b = (b + a) | 0;
    d = (d + a) | 0;
    e = (e + a) | 0;
  };
  a ^= length;
  b ^= length;
  d ^= length;
  e ^= length;
  crossMix();
  [a, b, d, e] = [finalMix(a), finalMix(b), finalMix(d), finalMix(e)];
  crossMix();
  return [a >>> 0, b >>> 0, d >>> 0, e >>> 0];
}
