import { FormatError } from "@corenet/core";
import { type ImageFormat, imageFormat } from "./image-format.ts";
import { readJpegHeader } from "./jpeg-header.ts";
import { readPngHeader } from "./png-header.ts";

/** What a file says about its picture before anything is decoded. */
export interface ImageHeader {
  format: ImageFormat;
  /** Of the stored pixels, before `orientation` turns them. */
  width: number;
  height: number;
  /** EXIF's 1 to 8; 1 is upright. */
  orientation: number;
  /** 1 grey, 3 colour, 4 CMYK in a JPEG; undefined in a PNG. */
  components?: number;
}

/**
 * Checks that a JPEG or PNG is whole, from its first byte to its end marker, and reads its size. Decodes nothing.
 *
 * @param name - for error texts, such as the path
 * @throws FormatError when it is neither, cut short, or its parts do not fit
 */
export function readImageHeader(bytes: Uint8Array, name: string): ImageHeader {
  const format = imageFormat(bytes);
  if (format === "jpeg") return readJpegHeader(bytes, name);
  if (format === "png") return readPngHeader(bytes, name);
  const start = [...bytes.subarray(0, 4)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  throw new FormatError(
    `decodeImage: ${name} starts with ${start ? `the bytes ${start}` : "nothing (it is empty)"}, expected a JPEG ` +
      "(ff d8 ff) or PNG (89 50 4e 47). Convert it, or leave it out.",
    { file: name },
  );
}
