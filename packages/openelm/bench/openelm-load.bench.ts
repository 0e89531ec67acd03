import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeBfloat16 } from "@corenet/core";
import { fileSink, type SafetensorsEntry, writeSafetensors } from "@corenet/formats";
import { type OpenElmConfig, openElmConfig, parameterShapes, toConfigJson } from "@corenet/openelm";
import { type ChildContender, childContender } from "../../../tools/bench/child.ts";
import type { Bench, BenchContext } from "../../../tools/bench/harness.ts";
import { median } from "../../../tools/bench/statistics.ts";

const MIB = 2 ** 20;

/** 68 M parameters, about half of them in the embedding: one tensor of 125 MiB in f32. */
const CONFIG: OpenElmConfig = openElmConfig({
  vocabSize: 32000,
  numLayers: 4,
  modelDim: 1024,
  headDim: 64,
  groupSize: 4,
  qkvMultipliers: [0.5, 1],
  ffnMultipliers: [1, 4],
  ffnDivisor: 256,
});

const bench: Bench = {
  name: "openelm-load",
  description:
    "loadOpenElm of a Hugging Face folder onto the wasm heap, against reading the file's bytes. Each run is a new process " +
    "with the backend started; the file is in the system's cache.",

  async run(context) {
    const folder = await mkdtemp(join(tmpdir(), "corenet-openelm-"));
    try {
      const f32Bytes = await writeModel(folder, "float32");
      await compareLoads(context, {
        folder,
        fileBytes: f32Bytes,
        name: "f32",
        how: "f32",
        resultBytes: f32Bytes,
      });
      const bf16Bytes = await writeModel(folder, "bfloat16");
      const bf16 = { folder, fileBytes: bf16Bytes };
      await compareLoads(context, { ...bf16, name: "bf16, kept", how: "asIs", resultBytes: bf16Bytes });
      await compareLoads(context, {
        ...bf16,
        name: "bf16 to float32",
        how: "f32",
        resultBytes: 2 * bf16Bytes,
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  },
};

interface Load {
  folder: string;
  fileBytes: number;
  name: string;
  how: "f32" | "asIs";
  /** What the model holds in the end. */
  resultBytes: number;
}

/** A folder as `saveOpenElm` writes it, with weights around 0. Gives the size of its weights' file. */
async function writeModel(folder: string, dtype: "float32" | "bfloat16"): Promise<number> {
  await writeFile(join(folder, "config.json"), JSON.stringify(toConfigJson(CONFIG, dtype)));
  const entries = parameterShapes(CONFIG).map(({ path, shape }): SafetensorsEntry => {
    const length = shape.reduce((product, side) => product * side, 1);
    const values = () => Float32Array.from({ length }, () => Math.random() - 0.5);
    return {
      name: `transformer.${path}`,
      dtype: dtype === "float32" ? "F32" : "BF16",
      shape,
      data: () => (dtype === "float32" ? values() : encodeBfloat16(values())),
    };
  });
  return writeSafetensors(await fileSink(join(folder, "model.safetensors")), entries);
}

async function compareLoads({ compare, record }: BenchContext, load: Load): Promise<void> {
  const { folder, fileBytes, name, how, resultBytes } = load;
  const child = (label: string, way: string): ChildContender =>
    childContender(label, new URL("load-process.ts", import.meta.url), [way, folder]);
  const nothing = child("nothing", "nothing");
  const ours = child("ours", how);
  await compare({
    name: `loadOpenElm ${name}, ${(fileBytes / MIB).toFixed(0)} MiB`,
    ours,
    peers: [child("fs.readFile", "readFile")],
    warmup: 1,
    rounds: 9,
    work: { bytes: fileBytes },
  });
  for (let i = 0; i < 5; i++) await nothing.run();
  const baseline = median(nothing.peakBytes);
  const peak = median(ours.peakBytes) - baseline;
  record("process that loads nothing (MiB)", baseline / MIB);
  record(`peak of ours, ${name}, above it (MiB)`, peak / MIB);
  record(`peak of ours, ${name}, over what it gives`, peak / resultBytes);
}

export default bench;
