import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeFloat16 } from "@corenet/core";
import { fileSink, type SafetensorsEntry, writeSafetensors } from "@corenet/formats";
import { estimateBytes, openElmConfig, parameterShapes, toConfigJson } from "@corenet/openelm";
import { type ChildContender, childContender } from "../../../tools/bench/child.ts";
import type { Bench } from "../../../tools/bench/harness.ts";
import { median } from "../../../tools/bench/statistics.ts";

const MIB = 2 ** 20;
const config = openElmConfig("270M");
const storages = ["f16", "f32", "bf16", "int8", "int4"] as const;

const bench: Bench = {
  name: "openelm-load",
  description:
    "loadOpenElm of a folder of OpenELM-270M's shape in float16 onto the wasm heap, against reading the file's bytes, and " +
    "the most memory that it takes for each storage. Each run is a new process with the backend started; the file is in " +
    "the system's cache.",

  async run({ compare, record }) {
    const folder = await mkdtemp(join(tmpdir(), "corenet-openelm-"));
    const child = (label: string, way: string): ChildContender =>
      childContender(label, new URL("load-process.ts", import.meta.url), [way, folder]);
    try {
      const fileBytes = await writeModel(folder);
      await compare({
        name: `loadOpenElm f16, ${(fileBytes / MIB).toFixed(0)} MiB`,
        ours: child("ours", "f16"),
        peers: [child("fs.readFile", "readFile")],
        warmup: 1,
        rounds: 9,
        work: { bytes: fileBytes },
      });
      const peakOf = async (way: string) => {
        const process = child(way, way);
        for (let i = 0; i < 3; i++) await process.run();
        return median(process.peakBytes);
      };
      const baseline = await peakOf("nothing");
      record("process that loads nothing (MiB)", baseline / MIB);
      for (const storage of storages) {
        const peak = (await peakOf(storage)) - baseline;
        const packed = estimateBytes(config, storage);
        record(`peak of ${storage}, above it (MiB)`, peak / MIB);
        record(`peak of ${storage}, over its ${(packed / MIB).toFixed(0)} MiB packed`, peak / packed);
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  },
};

/** A folder as `saveOpenElm` writes it, with weights around 0. Gives the size of its weights' file. */
async function writeModel(folder: string): Promise<number> {
  await writeFile(join(folder, "config.json"), JSON.stringify(toConfigJson(config, "float16")));
  const block = encodeFloat16(Float32Array.from({ length: 2 ** 20 }, () => 0.1 * (Math.random() - 0.5)));
  const entries = parameterShapes(config).map(({ path, shape }): SafetensorsEntry => {
    const length = shape.reduce((product, side) => product * side, 1);
    const data = () => repeated(block, length);
    return { name: `transformer.${path}`, dtype: "F16", shape, data };
  });
  return writeSafetensors(await fileSink(join(folder, "model.safetensors")), entries);
}

function repeated(block: Uint16Array, length: number): Uint16Array {
  const values = new Uint16Array(length);
  for (let at = 0; at < length; at += block.length) values.set(block.subarray(0, length - at), at);
  return values;
}

export default bench;
