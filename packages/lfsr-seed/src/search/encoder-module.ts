import { fromBase64 } from "@corenet/core/platform";

export type EncoderBuild = "relaxed" | "simd";

let compiled: Promise<WebAssembly.Module> | undefined;

/**
 * The search as WebAssembly, for the best of the instruction sets that this engine has. Both builds find the same codes.
 *
 * @param build - that one alone, for tests
 * @throws WebAssembly.CompileError where there is no SIMD
 */
export function encoderModule(build?: EncoderBuild): Promise<WebAssembly.Module> {
  if (build) return load(build).then((bytes) => WebAssembly.compile(bytes));
  compiled ??= load("relaxed").then(async (bytes) =>
    WebAssembly.compile(WebAssembly.validate(bytes) ? bytes : await load("simd")),
  );
  return compiled;
}

async function load(build: EncoderBuild): Promise<Uint8Array<ArrayBuffer>> {
  const module =
    build === "relaxed" ? import("../generated/encode-relaxed.ts") : import("../generated/encode-simd.ts");
  return fromBase64((await module).default);
}
