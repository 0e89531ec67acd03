// What SeedLM keeps of weights, next to plain quantization at about the same bits. Run it with
//   node --conditions=@corenet/source packages/lfsr-seed/examples/compare.ts [MODEL]
// where MODEL is a folder or file whose matrices join the table, such as out/model after `npm start`.
import { Rng } from "@corenet/core";
import { openCheckpoint, toFloat32 } from "@corenet/formats";
import {
  createSearch,
  decodeTensor,
  encodeTensor,
  type LfsrConfigOptions,
  lfsrConfig,
} from "@corenet/lfsr-seed";
import { absmax, clipped, float16, normalFloat4, type Scheme, squaredError } from "./group-quantizers.ts";

const columns = 384; // a multiple of 8, 12 and 128
const rows = 64;
const rng = new Rng("compare");
const normal = (name: string) => rng.split(name).fillNormal(new Float32Array(rows * columns));

const data: Record<string, Float32Array> = {
  Gaussian: normal("gauss"),
  "Student t(4)": studentT(4),
  "1 % outliers x8": normal("outliers").map((w, i) => (i % 101 === 0 ? 8 * w : w)),
  ...(process.argv[2] ? { trained: await trainedWeights(process.argv[2]) } : {}),
};

await using search = await createSearch();
const seed = (name: string, options: LfsrConfigOptions) => {
  const config = lfsrConfig(options);
  const restore = async (w: Float32Array) =>
    decodeTensor(await encodeTensor(w, [w.length / columns, columns], { config, search }));
  return { name, bits: (config.K + 4 + 4 * config.P) / config.C, restore };
};
const schemes: (Omit<Scheme, "restore"> & {
  restore(w: Float32Array): Float32Array | Promise<Float32Array>;
})[] = [
  float16,
  seed("SeedLM 4.5", { bits: 4.5 }),
  absmax(4, 32),
  normalFloat4(64),
  normalFloat4(128),
  absmax(4, 128),
  clipped(4, 128),
  seed("SeedLM 4", { bits: 4 }),
  seed("SeedLM 4, every 8th state", { bits: 4, decimation: 8 }),
  absmax(3, 128),
  clipped(3, 128),
  seed("SeedLM 3", { bits: 3 }),
  seed("SeedLM 3, every 8th state", { bits: 3, decimation: 8 }),
];

console.log(`Signal to noise in dB, ${rows} x ${columns} weights each.\n`);
console.log(`| scheme | bits | ${Object.keys(data).join(" | ")} |`);
console.log(
  `| --- | --- | ${Object.keys(data)
    .map(() => "---")
    .join(" | ")} |`,
);
for (const { name, bits, restore } of schemes) {
  const cells: string[] = [];
  for (const w of Object.values(data)) {
    const norm = squaredError(w, new Float32Array(w.length));
    cells.push((10 * Math.log10(norm / squaredError(w, await restore(w)))).toFixed(2));
  }
  console.log(`| ${name} | ${bits.toFixed(3)} | ${cells.join(" | ")} |`);
}

function studentT(freedom: number): Float32Array {
  const parts = Array.from({ length: freedom + 1 }, (_, i) => normal(`t${i}`));
  return normal("t").map((z, i) => {
    const chi = parts.slice(1).reduce((sum, part) => sum + (part[i] as number) ** 2, 0);
    return z / Math.sqrt(chi / freedom);
  });
}

/** The first matrices of a checkpoint's blocks, as many weights as the others have. */
async function trainedWeights(path: string): Promise<Float32Array> {
  const file = await openCheckpoint(path);
  const weights = new Float32Array(rows * columns);
  let filled = 0;
  for (const [name, { dtype, shape }] of file.tensors) {
    if (shape.length !== 2 || !/\.\d+\./.test(name)) continue;
    const part = toFloat32(dtype, await file.read(name)).subarray(0, weights.length - filled);
    weights.set(part, filled);
    filled += part.length;
  }
  await file.close();
  if (filled < weights.length)
    throw new Error(`compare: ${path} has ${filled} weights in its blocks, expected more.`);
  return weights;
}
