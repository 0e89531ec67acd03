import { FormatError } from "@corenet/core";
import { exifOrientation } from "./exif-orientation.ts";
import type { ImageHeader } from "./image-header.ts";

const endOfImage = 0xd9;
const startOfScan = 0xda;
const app1 = 0xe1;

/**
 * Walks the segments of a JPEG to its end marker. Stricter than decoders, which skip garbage between segments, so that
 * no decoder finds another size than this does. What follows the end marker (a second picture, a film) is left alone.
 *
 * @throws FormatError when the file is cut, has no frame or two, or a segment does not fit
 * @see ITU-T T.81, annex B
 */
export function readJpegHeader(bytes: Uint8Array, name: string): ImageHeader {
  const fail = (saw: string) =>
    new FormatError(`decodeImage: ${name} is a JPEG in which ${saw}. Get the file again, or leave it out.`, {
      file: name,
    });
  let header: ImageHeader | undefined;
  let orientation: number | undefined;
  let at = 2; // after the start marker
  for (;;) {
    if (bytes[at] !== 0xff) {
      throw fail(at < bytes.length ? `byte ${at} is no marker` : `the end is missing after byte ${at}`);
    }
    while (bytes[at] === 0xff) at += 1; // any number of fill bytes
    const marker = bytes[at];
    at += 1;
    if (marker === endOfImage) {
      if (!header) throw fail("the picture is missing");
      return { ...header, orientation: orientation ?? 1 };
    }
    const length = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
    if (marker === undefined || at + 2 > bytes.length || at + length > bytes.length) {
      throw fail(`the end is missing: it has ${bytes.length} bytes`);
    }
    if (length < 2) throw fail(`the segment at byte ${at - 2} has length ${length}, expected at least 2`);
    const content = bytes.subarray(at + 2, at + length);
    if (isFrame(marker)) {
      if (header) throw fail("there are two frames");
      header = readFrame(content);
      if (!header) throw fail("the frame has no size");
    } else if (marker === app1) {
      orientation ??= exifOrientation(content);
    }
    at += length;
    if (marker === startOfScan) at = endOfScan(bytes, at);
  }
}

/** SOF0 to SOF15, without the tables that lie between them. */
function isFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}

function readFrame(content: Uint8Array): ImageHeader | undefined {
  const [, high = 0, low = 0, wide = 0, narrow = 0, components = 0] = content;
  const height = (high << 8) | low;
  const width = (wide << 8) | narrow;
  if (content.length < 6 || height === 0 || width === 0) return undefined;
  return { format: "jpeg", width, height, orientation: 1, components };
}

/** Where the marker after the coded pixels stands. In them 0xff is followed by 0 or by a restart marker. */
function endOfScan(bytes: Uint8Array, start: number): number {
  let at = start;
  for (;;) {
    at = bytes.indexOf(0xff, at);
    if (at < 0) return bytes.length;
    const next = bytes[at + 1] ?? 0xff;
    if (next !== 0 && !(next >= 0xd0 && next <= 0xd7)) return at;
    at += 2;
  }
}
