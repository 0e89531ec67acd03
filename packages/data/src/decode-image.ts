import { FormatError, throwIfAborted } from "@corenet/core";
import { decodeWithJsquash } from "./decode-jsquash.ts";
import { decodeWithSharp, loadSharp } from "./decode-sharp.ts";
import { readImageHeader } from "./image-header.ts";
import { orientImage } from "./orient-image.ts";
import type { RgbImage } from "./rgb-image.ts";

/** sharp (native, Node, an optional peer), jsquash (WebAssembly, everywhere), or the first of them that loads. */
export type ImageDecoder = "auto" | "sharp" | "jsquash";

const decoders: readonly ImageDecoder[] = ["auto", "sharp", "jsquash"];

export interface DecodeImageOptions {
  /** @default "auto" */
  decoder?: ImageDecoder | undefined;
  /** Pictures with more pixels are refused before anything is decoded. @default 64_000_000 */
  maxPixels?: number | undefined;
  /** For error texts, such as the path. @default "the image" */
  name?: string;
  signal?: AbortSignal | undefined;
}

/**
 * A JPEG or PNG as RGB, whatever it is called; upright, 8 bits a channel.
 *
 * Grey becomes three equal channels, alpha lies on white, 16 bits become 8. EXIF's orientation is applied to JPEGs.
 * Colour profiles are ignored, as Pillow does. The first picture of an animated PNG.
 *
 * @param bytes - the whole file
 * @throws FormatError when the file is damaged, cut short, above `maxPixels`, or neither JPEG nor PNG
 * @throws BackendError when the decoder does not load
 * @throws TypeError or RangeError when an argument cannot be
 */
export async function decodeImage(bytes: Uint8Array, options: DecodeImageOptions = {}): Promise<RgbImage> {
  const { decoder = "auto", maxPixels = 64_000_000, name = "the image", signal } = options;
  if (!(bytes instanceof Uint8Array)) {
    throw new TypeError(
      `decodeImage: got ${typeof bytes}, expected a Uint8Array. Pass the bytes of the file.`,
    );
  }
  if (!decoders.includes(decoder)) {
    throw new RangeError(`decodeImage: decoder is "${decoder}", expected one of ${decoders.join(", ")}.`);
  }
  if (!(maxPixels >= 1)) {
    throw new RangeError(
      `decodeImage: maxPixels is ${maxPixels}, expected at least 1. Leave it out for 64 million.`,
    );
  }
  throwIfAborted(signal);

  const header = readImageHeader(bytes, name);
  const { width, height, orientation } = header;
  if (width * height > maxPixels) {
    throw new FormatError(
      `decodeImage: ${name} has ${width} x ${height} pixels, expected at most ${maxPixels} in all. ` +
        `Shrink it, or pass maxPixels: ${width * height}.`,
      { file: name },
    );
  }
  const useSharp = decoder === "sharp" || (decoder === "auto" && (await hasSharp()));
  const decode = useSharp ? decodeWithSharp : decodeWithJsquash;
  const image = await decode(bytes, header, name, signal);
  throwIfAborted(signal);
  return orientImage(image, orientation);
}

async function hasSharp(): Promise<boolean> {
  if (typeof globalThis.process?.getBuiltinModule !== "function") return false; // a browser
  return loadSharp().then(
    () => true,
    () => false,
  );
}
