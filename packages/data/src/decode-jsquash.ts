import { BackendError, FormatError, throwIfAborted, yieldToEventLoop } from "@corenet/core";
import { compileOnce } from "./compile-once.ts";
import { flattenAlpha } from "./flatten-alpha.ts";
import type { ImageHeader } from "./image-header.ts";
import type { RgbImage } from "./rgb-image.ts";

interface Codec {
  /** Decodes to RGBA. Throws an Error whose message says why not. */
  decode(bytes: Uint8Array): RgbaImage;
  /** It has crashed in a way after which another is needed. */
  hasEnded: boolean;
}

interface RgbaImage {
  readonly data: Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
}

const jpegModule = compileOnce(() => import("./generated/codec-jpeg.ts"));
const pngModule = compileOnce(() => import("./generated/codec-png.ts"));
const start = { jpeg: startJpeg, png: startPng };
const codecs: { jpeg?: Promise<Codec> | undefined; png?: Promise<Codec> | undefined } = {};

/**
 * Decodes with the WebAssembly builds of mozjpeg and of Rust's png, in Node and in browsers. The decoding itself holds
 * the thread; what waits for its turn runs between two pictures.
 *
 * @throws BackendError when the WebAssembly does not load
 * @throws FormatError when the file cannot be decoded
 */
export async function decodeWithJsquash(
  bytes: Uint8Array,
  header: ImageHeader,
  name: string,
  signal: AbortSignal | undefined,
): Promise<RgbImage> {
  if (header.components === 4) {
    throw new FormatError(
      `decodeImage: ${name} is a CMYK JPEG, which jsquash does not decode. Install sharp, or convert it to RGB.`,
      { file: name },
    );
  }
  await yieldToEventLoop();
  const codec = await loadCodec(header.format);
  throwIfAborted(signal);
  try {
    const { data, width, height } = codec.decode(bytes);
    return { data: flattenAlpha(data), width, height };
  } catch (cause) {
    throw new FormatError(
      `decodeImage: ${name} cannot be decoded: ${reasonOf(cause)}. Get the file again, or leave it out.`,
      { file: name, cause },
    );
  }
}

/** The running codec, or a new one where there is none, where it did not start, and where it has ended. */
async function loadCodec(format: "jpeg" | "png"): Promise<Codec> {
  for (;;) {
    codecs[format] ??= start[format]();
    const loading = codecs[format];
    const codec = await loading.catch((cause) => {
      if (codecs[format] === loading) codecs[format] = undefined;
      throw new BackendError(
        `decodeImage: the WebAssembly of @jsquash/${format} does not load: ${reasonOf(cause)}. ` +
          "A page must allow script-src 'wasm-unsafe-eval'; in Node, install sharp.",
        { cause },
      );
    });
    if (!codec.hasEnded) return codec;
    if (codecs[format] === loading) codecs[format] = undefined;
  }
}

async function startJpeg(): Promise<Codec> {
  const { default: startModule } = await import("@jsquash/jpeg/codec/dec/mozjpeg_dec.js");
  const wasm = await jpegModule();
  const messages: string[] = [];
  const printErr = (text: string) => void messages.push(text); // libjpeg's warnings; else they go to the console
  const module = await startModule({ noInitialRun: true, printErr, instantiateWasm: instantiate(wasm) });
  const codec: Codec = {
    hasEnded: false,
    decode(bytes) {
      messages.length = 0;
      try {
        const image = module.decode(new Uint8Array(bytes), false); // false: we turn it ourselves
        if (image && messages.length === 0) return image;
      } catch (cause) {
        codec.hasEnded = true; // it has left as a program does, in the middle of its work: used again, it may hang
        throw new Error(messages[0] ?? reasonOf(cause), { cause });
      }
      throw new Error(messages[0] ?? "no picture came out");
    },
  };
  return codec;
}

async function startPng(): Promise<Codec> {
  const { default: startModule, decode } = await import("@jsquash/png/codec/pkg/squoosh_png.js");
  const wasm = await pngModule();
  defineImageData();
  const module = await startModule(wasm);
  return {
    hasEnded: false,
    decode(bytes) {
      const stack = module.__wbindgen_add_to_stack_pointer(0);
      try {
        return decode(bytes);
      } catch (cause) {
        // A crash leaves its stack behind, and enough of them would overwrite other memory.
        module.__wbindgen_add_to_stack_pointer(stack - module.__wbindgen_add_to_stack_pointer(0));
        throw cause;
      }
    },
  };
}

function instantiate(module: WebAssembly.Module) {
  return (imports: WebAssembly.Imports, onInstance: (instance: WebAssembly.Instance) => void) => {
    const instance = new WebAssembly.Instance(module, imports);
    onInstance(instance);
    return instance.exports;
  };
}

/** The codec makes an ImageData, which Node lacks. jsquash's codec of JPEG defines the same when it starts. */
function defineImageData(): void {
  if ("ImageData" in globalThis) return;
  const value = class ImageData {
    readonly data: Uint8ClampedArray;
    readonly width: number;
    readonly height: number;

    constructor(data: Uint8ClampedArray, width: number, height: number) {
      this.data = data;
      this.width = width;
      this.height = height;
    }
  };
  Object.defineProperty(globalThis, "ImageData", { value, configurable: true, writable: true });
}

/** A codec may throw what is no Error. */
function reasonOf(cause: unknown): string {
  if (typeof cause === "object" && cause !== null && "message" in cause) return String(cause.message);
  return String(cause);
}
