import { randomFillSync } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeFloat16 } from "@corenet/core";
import { fileSink, type SafetensorsEntry, writeSafetensors } from "@corenet/formats";
import { blockGrid, type LfsrTensor, lfsrConfig, lfsrEntries, payloadSizes } from "@corenet/lfsr-seed";
import { openElmConfig, parameterShapes, toConfigJson } from "@corenet/openelm";
import { childContender } from "../../../tools/bench/child.ts";
import type { Bench } from "../../../tools/bench/harness.ts";
import { median } from "../../../tools/bench/statistics.ts";

const MIB = 2 ** 20;
const RUNS = 3;

const bench: Bench = {
  name: "lfsr-memory",
  description:
    "Peak of resident memory of an OpenELM-270M whose blocks are compressed to 4 bits, the embedding in float16: loaded, and " +
    "loaded and generating. Above a process that has only started the backend and its threads; random codes.",

  async run({ record }) {
    const folder = await mkdtemp(join(tmpdir(), "corenet-lfsr-memory-"));
    try {
      const fileBytes = await writeModel(folder);
      const peakOf = async (how: string) => {
        const child = childContender(how, new URL("lfsr-memory-process.ts", import.meta.url), [how, folder]);
        for (let i = 0; i < RUNS; i++) await child.run();
        return median(child.peakBytes);
      };
      const baseline = await peakOf("nothing");
      record("file, MiB", fileBytes / MIB);
      record("Node, the backend and its threads alone, MiB", baseline / MIB);
      for (const how of ["load", "generate"]) {
        const peak = (await peakOf(how)) - baseline;
        record(`${how}: peak above that, MiB`, peak / MIB);
        record(`${how}: peak above that, over the file`, peak / fileBytes);
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  },
};

/** A folder as `compressCheckpoint` writes it. Gives the size of its weights' file. */
async function writeModel(folder: string): Promise<number> {
  const config = openElmConfig("270M");
  await writeFile(join(folder, "config.json"), JSON.stringify(toConfigJson(config, "float16")));
  const entries = parameterShapes(config).flatMap(({ path, shape }): SafetensorsEntry[] => {
    const name = `transformer.${path}`;
    if (shape.length === 2 && path.startsWith("layers.")) return lfsrEntries(name, randomCodes(shape));
    const length = shape.reduce((product, side) => product * side, 1);
    const values = () => encodeFloat16(Float32Array.from({ length }, () => 0.05 * (Math.random() - 0.5)));
    return [{ name, dtype: "F16", shape, data: values }];
  });
  return writeSafetensors(await fileSink(join(folder, "model.safetensors")), entries);
}

function randomCodes(shape: readonly number[]): LfsrTensor {
  const config = lfsrConfig({ bits: 4 });
  const { blocks } = blockGrid("randomCodes", shape, config.C, "rows");
  const seeds = randomFillSync(new Uint16Array(blocks)).map((seed) => seed || 1);
  const codes = randomFillSync(new Uint8Array(payloadSizes(blocks, config).codes));
  const exponents = new Uint8Array(0);
  return { config, shape, layout: "rows", expBias: -24, seeds, codes, exponents, sourceDtype: "F16" };
}

export default bench;
