// What safetensors-load.bench.ts measures, in a process of its own: load-process.ts HOW FILE
import { open, readFile } from "node:fs/promises";
import { type Dtype, fileSource, openSafetensors, type TensorData, toFloat32 } from "@corenet/formats";
import { measureInChild } from "../../../tools/bench/child.ts";

const PIECE_BYTES = 4 * 2 ** 20;

const ways: Record<string, (path: string) => Promise<unknown>> = {
  /** The process itself, with everything imported. */
  nothing: async () => {},
  readFile: (path) => readFile(path),
  async readLoop(path) {
    const file = await open(path);
    const { size } = await file.stat();
    const bytes = new Uint8Array(size);
    for (let at = 0; at < size; ) {
      const { bytesRead } = await file.read(bytes, at, Math.min(PIECE_BYTES, size - at), at);
      if (bytesRead === 0) throw new Error(`load-process: ${path} ended at byte ${at} of ${size}.`);
      at += bytesRead;
    }
    await file.close();
    return bytes;
  },
  /** Every tensor, as the file has it. */
  tensors: (path) => readTensors(path, (_dtype, data) => data),
  /** Every tensor as float32. */
  widened: (path) => readTensors(path, toFloat32),
};

async function readTensors(
  path: string,
  convert: (dtype: Dtype, data: TensorData) => TensorData,
): Promise<Map<string, TensorData>> {
  const file = await openSafetensors(await fileSource(path));
  const tensors = new Map<string, TensorData>();
  for (const [name, { dtype }] of file.tensors) tensors.set(name, convert(dtype, await file.read(name)));
  await file.close();
  return tensors;
}

const [how = "", path = ""] = process.argv.slice(2);
const way = ways[how];
if (!way)
  throw new RangeError(`load-process: there is no "${how}", expected ${Object.keys(ways).join(", ")}.`);
await measureInChild(() => way(path));
