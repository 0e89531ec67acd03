// Loads a model of OpenELM-270M's shape from a file that is made up as it is read, in a process of its own, and prints the
// most memory that was resident before and at the end: load-in-child.ts STORAGE
import { readFile } from "node:fs/promises";
import { wasm } from "@corenet/backend-wasm";
import { encodeFloat16 } from "@corenet/core";
import { type ByteSource, bytesSource } from "@corenet/formats";
import {
  estimateBytes,
  loadOpenElm,
  openElmConfig,
  parameterShapes,
  type Storage,
  toConfigJson,
} from "@corenet/openelm";
import { loadKernels, useBackend } from "@corenet/tensor";

const config = openElmConfig("270M");
const storage = (process.argv[2] ?? "f16") as Exclude<Storage, "as-is">;

/** A safetensors file in float16 whose weights repeat a block. */
function weightsSource(): ByteSource {
  const header: Record<string, object> = {};
  let end = 0;
  for (const { path, shape } of parameterShapes(config)) {
    const begin = end;
    end += 2 * shape.reduce((product, side) => product * side, 1);
    header[`transformer.${path}`] = { dtype: "F16", shape, data_offsets: [begin, end] };
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const front = new Uint8Array(8 + json.length);
  new DataView(front.buffer).setBigUint64(0, BigInt(json.length), true);
  front.set(json, 8);
  const block = new Uint8Array(
    encodeFloat16(Float32Array.from({ length: 2 ** 20 }, (_, i) => Math.sin(i))).buffer,
  );
  const readInto = async (offset: number, target: Uint8Array) => {
    if (offset < front.length) target.set(front.subarray(offset, offset + target.length));
    else target.set(block.subarray(0, target.length));
  };
  return {
    ...{ name: "model.safetensors", size: front.length + end, readInto, close: async () => {} },
    async read(offset, length) {
      const bytes = new Uint8Array(length);
      await readInto(offset, bytes);
      return bytes;
    },
  };
}

async function peakBytes(): Promise<number> {
  const [, kibibytes] = /^VmHWM:\s*(\d+) kB$/m.exec(await readFile("/proc/self/status", "utf8")) ?? [];
  return Number(kibibytes) * 1024;
}

const configJson = new TextEncoder().encode(JSON.stringify(toConfigJson(config, "float16")));
const sources = [bytesSource(configJson, { name: "config.json" }), weightsSource()];
await useBackend(wasm());
await loadKernels();
const before = await peakBytes();
using model = await loadOpenElm(sources, { storage });
const packedBytes = estimateBytes(model.config, storage);
process.stdout.write(JSON.stringify({ peakBytes: (await peakBytes()) - before, packedBytes }));
