import { OutOfMemoryError } from "@corenet/core";
import { activeBackend } from "@corenet/tensor";
import type { OpenElmConfig } from "./config.ts";
import { parameterShapes } from "./parameters.ts";

/**
 * How matrices are kept: float32; 16 bits; integers of 8 or 4 bits with a scale for each 32; or 16 bits where the file
 * has them so. Gains are float32 always.
 */
export type Storage = "f32" | "f16" | "bf16" | "int8" | "int4" | "as-is";

/** Bits of a number, scales included. */
const bits: Readonly<Record<Exclude<Storage, "as-is">, number>> = {
  ...{ f32: 32, f16: 16, bf16: 16, int8: 8.5, int4: 4.5 },
};

/** Bytes that a model's parameters take on the device, to one percent. */
export function estimateBytes(config: OpenElmConfig, storage: Exclude<Storage, "as-is">): number {
  return parameterShapes(config).reduce((sum, { shape }) => {
    const count = shape.reduce((product, side) => product * side, 1);
    return sum + (count * (shape.length === 2 ? bits[storage] : 32)) / 8;
  }, 0);
}

const heapBytes = 2 ** 32; // of WebAssembly with 32-bit addresses
const reserveBytes = 256 * 2 ** 20; // for activations, the cache and the kernels

/**
 * Says before anything is loaded that a model cannot fit.
 *
 * @throws OutOfMemoryError with the storage that would fit, where one does
 */
export function checkRoom(config: OpenElmConfig, storage: Exclude<Storage, "as-is">): void {
  if (!activeBackend().wasm) return; // other backends say it themselves
  const needed = estimateBytes(config, storage);
  const room = heapBytes - reserveBytes;
  if (needed <= room) return;
  const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;
  const smaller = (["f16", "int8", "int4"] as const).find((other) => estimateBytes(config, other) <= room);
  throw new OutOfMemoryError(
    `loadOpenElm: the weights take ${gigabytes(needed)} as ${storage}, expected at most ${gigabytes(room)} of the heap ` +
      "of the wasm backend. " +
      (smaller
        ? `Load them with { storage: "${smaller}" }: ${gigabytes(estimateBytes(config, smaller))}.`
        : "Use a smaller model."),
    { requestedBytes: needed },
  );
}
