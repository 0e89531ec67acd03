import { FormatError } from "@corenet/core";
import { crc32 } from "./crc32.ts";
import type { ImageHeader } from "./image-header.ts";

const signatureBytes = 8;
const chunkFrame = 12; // length, type, checksum

/** Bits per sample that each colour type may have. */
const bitDepths: Readonly<Record<number, readonly number[]>> = {
  0: [1, 2, 4, 8, 16], // grey
  2: [8, 16], // colour
  3: [1, 2, 4, 8], // palette
  4: [8, 16], // grey with alpha
  6: [8, 16], // colour with alpha
};

/**
 * Walks the chunks of a PNG to its end and compares every checksum, so that damage is found before a decoder, some of
 * which crash on it, sees the file.
 *
 * @throws FormatError when the file is cut or changed, or its header is not one of PNG's
 * @see W3C PNG, third edition, sections 5 and 11.2.1
 */
export function readPngHeader(bytes: Uint8Array, name: string): ImageHeader {
  const fail = (saw: string) =>
    new FormatError(`decodeImage: ${name} is a PNG in which ${saw}. Get the file again, or leave it out.`, {
      file: name,
    });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let header: ImageHeader | undefined;
  let hasPixels = false;
  for (let at = signatureBytes; ; ) {
    const left = bytes.length - at - chunkFrame;
    const length = left >= 0 ? view.getUint32(at) : 0;
    if (length > left) throw fail(`the end is missing: it has ${bytes.length} bytes`);
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    const body = at + 8;
    if (crc32(bytes.subarray(at + 4, body + length)) !== view.getUint32(body + length)) {
      throw fail(`the checksum of the chunk at byte ${at} is wrong`);
    }
    if (!header) {
      header = type === "IHDR" && length === 13 ? readHeader(view, body) : undefined;
      if (!header) throw fail("the header chunk (IHDR) is missing or not one of PNG's");
    } else if (type === "IHDR") throw fail("there are two header chunks (IHDR)");
    if (type === "IDAT") hasPixels = true;
    if (type === "IEND") {
      if (!hasPixels) throw fail("the pixels (IDAT) are missing");
      return header;
    }
    at = body + length + 4;
  }
}

function readHeader(view: DataView, at: number): ImageHeader | undefined {
  const width = view.getUint32(at);
  const height = view.getUint32(at + 4);
  const bitDepth = view.getUint8(at + 8);
  const depths = bitDepths[view.getUint8(at + 9)];
  const methods = view.getUint16(at + 10); // compression and filter: there is one of each
  const interlace = view.getUint8(at + 12);
  const isSide = (side: number) => side >= 1 && side < 2 ** 31;
  if (!isSide(width) || !isSide(height) || !depths?.includes(bitDepth)) return undefined;
  if (methods !== 0 || interlace > 1) return undefined;
  return { format: "png", width, height, orientation: 1 };
}
