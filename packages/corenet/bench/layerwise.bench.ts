import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { wasm } from "@corenet/backend-wasm";
import { countParameters, openElmConfig } from "@corenet/openelm";
import { useBackend } from "@corenet/tensor";
import type { Bench } from "../../../tools/bench/harness.ts";
import type { ModelSettings } from "../src/run/settings.ts";
import { trainTextModel } from "../src/train-text-model.ts";

const SEEDS = [1, 2, 3];
const STEPS = 1000;
const shakespeare = fileURLToPath(new URL("../../../../shared/data/tinyshakespeare/", import.meta.url));
const repository = fileURLToPath(new URL("../../../", import.meta.url));

const narrow = {
  ...{ vocabSize: 256, contextLength: 256, ropeBase: 10000, ropeMaxLength: 512, tied: false },
  ...{ numLayers: 4, modelDim: 128, headDim: 16, groupSize: 2, ffnDivisor: 8 },
};
const layerwise: ModelSettings = { ...narrow, qkvMultipliers: [0.5, 1], ffnMultipliers: [1, 2.5] };

/** The same everywhere: as many heads as the mean, and the feed-forward width that makes it as large. */
function uniformLike(model: ModelSettings): ModelSettings {
  const heads = (model.qkvMultipliers[0] as number) / 2 + (model.qkvMultipliers[1] as number) / 2;
  const size = (settings: ModelSettings) => countParameters(openElmConfig(settings));
  const candidates = Array.from({ length: 200 }, (_, i): ModelSettings => {
    const width = 0.5 + i / 50;
    return { ...model, qkvMultipliers: [heads, heads], ffnMultipliers: [width, width] };
  });
  const distance = (settings: ModelSettings) => Math.abs(size(settings) - size(model));
  return candidates.reduce((best, one) => (distance(one) < distance(best) ? one : best));
}

const bench: Bench = {
  name: "layerwise",
  description:
    `OpenELM's claim, small: a layer-wise scaled and a uniform byte-level model of equal size, ${STEPS} steps on the same text ` +
    "with the same seeds. Bits per byte on held-out text, the lower the better, whatever comes out.",

  async run({ record, signal }) {
    await useBackend(wasm());
    const text = existsSync(shakespeare) ? shakespeare : { repository };
    const models = { "layer-wise": layerwise, uniform: uniformLike(layerwise) };
    const folder = await mkdtemp(join(tmpdir(), "corenet-layerwise-"));
    const bits: Record<string, number[]> = {};
    try {
      for (const seed of SEEDS) {
        for (const [name, model] of Object.entries(models)) {
          const out = join(folder, `${name}-${seed}`);
          const { result } = await trainTextModel({ text, out, model, seed, steps: STEPS, signal });
          bits[name] = [...(bits[name] ?? []), result.heldOut.model];
          record(`bits per byte, ${name}, seed ${seed}`, result.heldOut.model);
        }
      }
    } finally {
      await rm(folder, { recursive: true });
    }
    for (const [name, model] of Object.entries(models)) {
      const values = bits[name] ?? [];
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
      record(`parameters, ${name}`, countParameters(openElmConfig(model)));
      record(`bits per byte, ${name}, mean`, mean);
      record(`bits per byte, ${name}, standard deviation`, Math.sqrt(variance));
    }
  },
};

export default bench;
