type Words = [number, number, number, number];
type Lane = 0 | 1 | 2 | 3;

const lanes = [0, 1, 2, 3] as const;
const factors = [0x239b961b, 0xab0e9789, 0x38b34ae5, 0xa1e38b93] as const;
const addends = [0x561ccd1b, 0x0bcaa747, 0x96cd1c35, 0x32ac3b17] as const;
const next = (lane: Lane) => ((lane + 1) % 4) as Lane;
const rotate = (x: number, by: number) => (x << by) | (x >>> (32 - by));

/** A word of the input, as it enters a lane. */
function mixed(word: number, lane: Lane): number {
  return Math.imul(rotate(Math.imul(word, factors[lane]), 15 + lane), factors[next(lane)]);
}

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
export function murmur3(bytes: Uint8Array): Words {
  const blocks = Math.floor(bytes.length / 16);
  const padded = new DataView(new ArrayBuffer(16 * (blocks + 1))); // a lane of zeros changes nothing
  new Uint8Array(padded.buffer).set(bytes);
  const h: Words = [0, 0, 0, 0];
  for (let block = 0; block <= blocks; block++) {
    for (const lane of lanes) {
      h[lane] ^= mixed(padded.getUint32(16 * block + 4 * lane, true), lane);
      if (block < blocks)
        h[lane] = Math.imul(rotate(h[lane], 19 - 2 * lane) + h[next(lane)], 5) + addends[lane];
    }
  }

  const crossMix = () => {
    h[0] = (h[0] + h[1] + h[2] + h[3]) | 0;
    for (const lane of lanes.slice(1)) h[lane] = (h[lane] + h[0]) | 0;
  };
  for (const lane of lanes) h[lane] ^= bytes.length;
  crossMix();
  for (const lane of lanes) h[lane] = finalMix(h[lane]);
  crossMix();
  return h.map((word) => word >>> 0) as Words;
}
