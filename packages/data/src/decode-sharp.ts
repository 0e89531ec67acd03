import { abortable, BackendError, FormatError } from "@corenet/core";
import type sharp from "sharp";
import { flattenAlpha } from "./flatten-alpha.ts";
import type { ImageHeader } from "./image-header.ts";
import type { RgbImage } from "./rgb-image.ts";

type Sharp = typeof sharp;

let loading: Promise<Sharp> | undefined;

/** sharp, which is an optional peer. Rejects with what its import threw. */
export function loadSharp(): Promise<Sharp> {
  loading ??= importByName("sharp").then((module) => (module as { default: Sharp }).default);
  return loading;
}

/** Keeps bundlers for the browser from looking for a module that is not there. */
function importByName(name: string): Promise<unknown> {
  return import(/* @vite-ignore */ /* webpackIgnore: true */ name);
}

/**
 * Decodes with libvips, outside of the thread of JavaScript.
 *
 * @throws BackendError when sharp does not load
 * @throws FormatError when it refuses the file
 */
export async function decodeWithSharp(
  bytes: Uint8Array,
  header: ImageHeader,
  name: string,
  signal: AbortSignal | undefined,
): Promise<RgbImage> {
  const load = await loadSharp().catch((cause) => {
    throw new BackendError(
      `decodeImage: sharp does not load: ${cause}. Run npm install sharp, or pass decoder: "jsquash".`,
      { cause },
    );
  });
  const decoding = load(bytes, {
    failOn: "warning",
    ignoreIcc: true, // the numbers of the file, as training pipelines elsewhere take them
    limitInputPixels: header.width * header.height, // no more than the header says
  })
    .toColourspace("srgb")
    .raw({ depth: "uchar" })
    .toBuffer({ resolveWithObject: true });
  const { data, info } = await abortable(decoding, signal).catch((cause) => {
    if (signal?.aborted) throw cause;
    throw new FormatError(
      `decodeImage: ${name} cannot be decoded: ${cause instanceof Error ? cause.message : cause}. ` +
        "Get the file again, or leave it out.",
      { file: name, cause },
    );
  });
  const plain = new Uint8Array(data.buffer, data.byteOffset, data.byteLength); // not a Buffer
  return {
    data: info.channels === 4 ? flattenAlpha(plain) : plain,
    width: info.width,
    height: info.height,
  };
}
