import { fileError } from "@corenet/formats";
import { type BlockCodes, emptyBlockCodes } from "../codec/block-search.ts";
import type { LfsrConfig } from "../codec/config.ts";
import type { EncodeJournal } from "../codec/encode-weights.ts";
import { nodeFs } from "./node-modules.ts";

const headerBytes = 12;

/**
 * Codes on disk, appended batch by batch, so that a run that is killed goes on behind its last whole batch.
 *
 * A batch is: number of its first block, number of blocks, CRC-32 of what follows (three u32, little-endian), then for
 * each block its seed (u32), exponent code (u8) and P coefficients (i8). What a crash left half written is cut off.
 */
export async function openCodesJournal(
  path: string,
  config: LfsrConfig,
): Promise<EncodeJournal & { close(): Promise<void> }> {
  const { open } = nodeFs("compressCheckpoint", path);
  const { crc32 } = process.getBuiltinModule("node:zlib");
  const failed = (cause: unknown) => {
    throw fileError("compressCheckpoint", path, "write", cause);
  };
  const recordBytes = 5 + config.P;
  const file = await open(path, "a+").catch(failed);
  const { size } = await file.stat();
  const batches = new Map<number, { at: number; n: number }>();
  let end = 0;
  for (let next = 0; end + headerBytes <= size; ) {
    const view = new DataView((await bytesAt(end, headerBytes)).buffer);
    const [from, n, sum] = [view.getUint32(0, true), view.getUint32(4, true), view.getUint32(8, true)];
    const batch = { at: end + headerBytes, n };
    if (from !== next || n === 0 || batch.at + n * recordBytes > size) break;
    if (crc32(await bytesAt(batch.at, n * recordBytes)) !== sum) break;
    batches.set(from, batch);
    end = batch.at + n * recordBytes;
    next += n;
  }
  await file.truncate(end).catch(failed);

  async function bytesAt(at: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(length);
    await file.read(bytes, 0, length, at);
    return bytes;
  }

  return {
    async read(from) {
      const batch = batches.get(from);
      return batch && unpack(await bytesAt(batch.at, batch.n * recordBytes), config);
    },
    async append(from, codes) {
      const records = pack(codes, config);
      const bytes = new Uint8Array(headerBytes + records.length);
      const view = new DataView(bytes.buffer);
      view.setUint32(0, from, true);
      view.setUint32(4, codes.seeds.length, true);
      view.setUint32(8, crc32(records), true);
      bytes.set(records, headerBytes);
      await file.appendFile(bytes).catch(failed);
      batches.set(from, { at: end + headerBytes, n: codes.seeds.length });
      end += bytes.length;
    },
    close: () => file.close(),
  };
}

function pack({ seeds, exponentCodes, q }: BlockCodes, { P }: LfsrConfig): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(seeds.length * (5 + P));
  const view = new DataView(bytes.buffer);
  for (let i = 0, at = 0; i < seeds.length; i++, at += 5 + P) {
    view.setUint32(at, seeds[i] as number, true);
    bytes[at + 4] = exponentCodes[i] as number;
    bytes.set(q.subarray(i * P, (i + 1) * P), at + 5);
  }
  return bytes;
}

/** The codes, without their errors: those are found anew from what decodes. */
function unpack(bytes: Uint8Array<ArrayBuffer>, config: LfsrConfig): BlockCodes {
  const { P } = config;
  const n = bytes.length / (5 + P);
  const view = new DataView(bytes.buffer);
  const codes = emptyBlockCodes(n, config);
  for (let i = 0, at = 0; i < n; i++, at += 5 + P) {
    codes.seeds[i] = view.getUint32(at, true);
    codes.exponentCodes[i] = bytes[at + 4] as number;
    codes.q.set(new Int8Array(bytes.buffer, at + 5, P), i * P);
  }
  return codes;
}
