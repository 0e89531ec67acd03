import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { wasm } from "@corenet/backend-wasm";
import { type ImageDataset, imageDataset, imageFolder } from "@corenet/data";
import { curriculumScales, fixedScale } from "@corenet/multiscale-sampler";
import { vitConfig } from "@corenet/nn";
import { useBackend } from "@corenet/tensor";
import type { Bench } from "../../../tools/bench/harness.ts";
import { curvesSvg, type SamplerCurves } from "./vit/curves-svg.ts";
import { shapeImages, sized } from "./vit/shapes.ts";
import { takeTurns } from "./vit/take-turns.ts";
import { trainVit, type VitEpoch } from "./vit/train-vit.ts";

const SEEDS = [1, 2, 3];
const EPOCHS = 8;
const SIZE = 28; // the method's 224 and 32 pixels, over 8
const BATCH = 32;
const cifar = fileURLToPath(new URL("../../../../shared/data/cifar10/", import.meta.url));
const picture = fileURLToPath(new URL("../../../out/bench/vit-sampler.svg", import.meta.url));

const scales = {
  "one size": fixedScale({ size: SIZE, batchSize: BATCH }),
  curriculum: curriculumScales({
    ...{ baseSize: SIZE, baseBatch: BATCH, epochs: EPOCHS, divisor: 4 },
    ...{ startMinSize: 16, startMaxSize: 20, endMinSize: 16, endMaxSize: 40 },
  }),
};

const bench: Bench = {
  name: "vit-sampler",
  description:
    `A small ViT trained ${EPOCHS} epochs on 5,000 images of CIFAR-10 (generated shapes where there are none), at ${SIZE} pixels ` +
    "and by the curriculum, each with the same seeds: accuracy on 1,000 held-out images, FLOPs and time.",

  async run({ record, signal }) {
    await useBackend(wasm());
    const isReal = existsSync(cifar);
    const images = isReal ? await cifarImages("train") : shapeImages({ count: 5000, seed: "train" });
    const heldOut = isReal ? await cifarImages("test") : shapeImages({ count: 1000, seed: "test" });
    const config = vitConfig({
      ...{ imageSize: SIZE, patchSize: 4, modelDim: 48, numHeads: 3, numLayers: 3, pooling: "mean" },
      numClasses: images.classes.length,
    });
    const names = ["one size", "curriculum"] as const;
    const runs: Record<(typeof names)[number], VitEpoch[][]> = { "one size": [], curriculum: [] };
    for (const seed of SEEDS) {
      const options = { config, images, heldOut, epochs: EPOCHS, learningRate: 2e-3, seed, signal };
      const turn = takeTurns(); // epoch by epoch
      const trained = names.map((name) => trainVit({ ...options, scales: scales[name], turn }));
      for (const [i, name] of names.entries()) {
        const curve = (await Promise.all(trained))[i] ?? [];
        runs[name].push(curve);
        record(`accuracy, ${name}, seed ${seed} (%)`, 100 * (curve.at(-1)?.accuracy ?? 0));
      }
    }

    const totals = names.map((name) => totalsOf(runs[name]));
    for (const [i, name] of names.entries()) {
      for (const [what, value] of Object.entries(totals[i] ?? {})) record(`${what}, ${name}`, value);
    }
    const [one, grown] = totals as [Totals, Totals];
    for (const what of ["FLOPs (10^12)", "seconds", "CPU seconds", "updates"] as const) {
      record(`saved: ${what} (%)`, 100 * (1 - grown[what] / one[what]));
    }
    const curves = names.map((name): SamplerCurves => ({ name, runs: runs[name] }));
    await mkdir(new URL("../../../out/bench/", import.meta.url), { recursive: true });
    await writeFile(picture, curvesSvg(curves as [SamplerCurves, SamplerCurves]));
  },
};

/** CIFAR-10's images, decoded once: what is measured is training. */
async function cifarImages(part: "train" | "test"): Promise<ImageDataset> {
  const images = imageDataset(await imageFolder(cifar + part), {
    cache: 64 * 2 ** 20,
    transform: (image, options) => sized(image, options),
  });
  for (let index = 0; index < images.length; index++) await images.get(index, { height: 1, width: 1 });
  return images;
}

type Totals = ReturnType<typeof totalsOf>;

/** Means over the seeds, at the end of the training. */
function totalsOf(runs: readonly (readonly VitEpoch[])[]) {
  const ends = runs.map((run) => run.at(-1)).filter((end) => end !== undefined);
  const mean = (of: (end: VitEpoch) => number) => ends.reduce((sum, end) => sum + of(end) / ends.length, 0);
  const accuracy = mean((end) => 100 * end.accuracy);
  const variance = mean((end) => (100 * end.accuracy - accuracy) ** 2) * (ends.length / (ends.length - 1));
  return {
    "accuracy (%)": accuracy,
    "accuracy, standard deviation over seeds (%)": Math.sqrt(variance),
    "FLOPs (10^12)": mean((end) => end.flops / 1e12),
    seconds: mean((end) => end.seconds),
    "CPU seconds": mean((end) => end.cpuSeconds),
    updates: mean((end) => end.updates),
  };
}

export default bench;
