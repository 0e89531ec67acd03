import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileSink, type SafetensorsEntry, writeSafetensors } from "@corenet/formats";
import { type ChildContender, childContender } from "../../../tools/bench/child.ts";
import type { Bench, BenchContext } from "../../../tools/bench/harness.ts";
import { median } from "../../../tools/bench/statistics.ts";

const TENSORS = 64;
const FILE_BYTES = 2 ** 28;
const MIB = 2 ** 20;

const bench: Bench = {
  name: "safetensors-load",
  description:
    "Every tensor of a 256 MiB safetensors file, held together, against reading the file's bytes. Each run is a new process; " +
    "the file is in the system's cache.",

  async run(context) {
    const folder = await mkdtemp(join(tmpdir(), "corenet-safetensors-"));
    try {
      const f32 = await writeFile(folder, "F32", FILE_BYTES / 4);
      await compareLoads(context, { ...f32, name: "F32", how: "tensors", resultBytes: f32.fileBytes });
      const bf16 = await writeFile(folder, "BF16", FILE_BYTES / 2);
      await compareLoads(context, { ...bf16, name: "BF16", how: "tensors", resultBytes: bf16.fileBytes });
      await compareLoads(context, {
        ...bf16,
        name: "BF16 to float32",
        how: "widened",
        resultBytes: 2 * bf16.fileBytes,
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  },
};

interface Load {
  path: string;
  fileBytes: number;
  name: string;
  how: "tensors" | "widened";
  /** What the caller holds in the end. */
  resultBytes: number;
}

/** Equal tensors of values around 0. */
async function writeFile(
  folder: string,
  dtype: "F32" | "BF16",
  elements: number,
): Promise<{ path: string; fileBytes: number }> {
  const path = join(folder, `${dtype}.safetensors`);
  const shape = [elements / TENSORS / 1024, 1024];
  const values = Float32Array.from({ length: elements / TENSORS }, () => Math.random() - 0.5);
  const data =
    dtype === "F32" ? values : Uint16Array.from(new Uint32Array(values.buffer), (bits) => bits >>> 16);
  const entries = Array.from({ length: TENSORS }, (_, i): SafetensorsEntry => {
    return { name: `layers.${i}.weight`, dtype, shape, data };
  });
  const fileBytes = await writeSafetensors(await fileSink(path), entries);
  return { path, fileBytes };
}

async function compareLoads({ compare, record }: BenchContext, load: Load): Promise<void> {
  const { path, fileBytes, name, how, resultBytes } = load;
  const child = (label: string, way: string): ChildContender =>
    childContender(label, new URL("load-process.ts", import.meta.url), [way, path]);
  const nothing = child("nothing", "nothing");
  const ours = child("ours", how);
  const peers = [child("fs.readFile", "readFile"), child("read loop", "readLoop")];
  await compare({
    name: `load ${name}, ${(fileBytes / MIB).toFixed(0)} MiB`,
    ours,
    peers,
    warmup: 1,
    rounds: 9,
    work: { bytes: fileBytes },
  });
  for (let i = 0; i < 5; i++) await nothing.run();
  const baseline = median(nothing.peakBytes);
  record("process that loads nothing (MiB)", baseline / MIB);
  for (const contender of [ours, ...peers]) {
    const peak = median(contender.peakBytes) - baseline;
    record(`peak of ${contender.name}, ${name}, above it (MiB)`, peak / MIB);
    if (contender === ours) record(`peak of ours, ${name}, over what it gives`, peak / resultBytes);
  }
}

export default bench;
