import { BackendError } from "@corenet/core";
import { fromBase64 } from "@corenet/core/platform";

export { fromBase64 };

export type BinarySource = string | URL | Uint8Array<ArrayBuffer> | ArrayBuffer;

/**
 * The bytes of TensorFlow.js's WebAssembly file.
 *
 * @throws BackendError when the address does not answer with WebAssembly
 */
export async function loadBinary(source?: BinarySource): Promise<Uint8Array<ArrayBuffer>> {
  if (source === undefined) return fromBase64((await import("./generated/tfjs-simd.ts")).default);
  if (source instanceof Uint8Array) return checkBinary(source, "the given bytes");
  if (source instanceof ArrayBuffer) return checkBinary(new Uint8Array(source), "the given bytes");
  const address = String(source);
  return checkBinary(await readAddress(address), address);
}

async function readAddress(address: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    if (address.startsWith("file:")) {
      // Without an import that bundlers for the browser would follow and fail at.
      const fs = globalThis.process?.getBuiltinModule?.("node:fs/promises");
      if (!fs) throw new Error("only Node opens file: addresses");
      return new Uint8Array(await fs.readFile(new URL(address)));
    }
    const response = await fetch(address);
    if (!response.ok) throw new Error(`the server answered ${response.status} ${response.statusText}`);
    return new Uint8Array(await response.arrayBuffer());
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new BackendError(
      `wasm: ${address} could not be read (${reason}), expected tfjs-backend-wasm-simd.wasm of version 4.22.0. ` +
        "Correct the address in wasm({ binary }), or leave it out to use the copy inside the package.",
      { cause },
    );
  }
}

function checkBinary(bytes: Uint8Array<ArrayBuffer>, from: string): Uint8Array<ArrayBuffer> {
  const magic = [0x00, 0x61, 0x73, 0x6d]; // "\0asm"
  if (magic.every((byte, i) => bytes[i] === byte)) return bytes;
  const hex = Array.from(bytes.subarray(0, 4), (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  const text = new TextDecoder().decode(bytes.slice(0, 15)).trim();
  throw new BackendError(
    `wasm: ${from} starts with ${hex || "nothing"} (${JSON.stringify(text)}), expected a WebAssembly file: 00 61 73 6d. ` +
      "A server that answers every path with its HTML page does this: copy the .wasm file to where the address points.",
  );
}
