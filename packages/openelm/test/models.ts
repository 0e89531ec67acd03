// The models that the tests use: the reference's tiny one, and small ones at the edges of what a config may say.
import { Rng } from "@corenet/core";
import {
  createOpenElm,
  loadOpenElm,
  type OpenElm,
  type OpenElmConfig,
  openElmConfig,
} from "@corenet/openelm";
import { goldenSource } from "../../../tools/testing/golden-source.ts";

/** The reference's tiny model: 4 layers, widths below and above D, 97 tokens, 69,728 weights. */
export async function loadTiny(): Promise<OpenElm> {
  const files = ["config.json", "model.safetensors"].map((file) => goldenSource(`openelm/tiny-hf/${file}`));
  const sources = await Promise.all(files);
  return loadOpenElm(sources.filter((source) => source !== undefined));
}

const small = { modelDim: 16, headDim: 4, ffnDivisor: 4, vocabSize: 13, contextLength: 24 };

/** Each at an edge of its own. */
export const edges: Readonly<Record<string, OpenElmConfig>> = {
  "one layer": openElmConfig({
    ...small,
    numLayers: 1,
    groupSize: 2,
    qkvMultipliers: [0.5, 1],
    ffnMultipliers: 1,
  }),
  "one key-value head": openElmConfig({
    ...small,
    numLayers: 2,
    groupSize: 4,
    qkvMultipliers: 1,
    ffnMultipliers: 1,
  }),
  "multi-head (g = 1)": openElmConfig({
    ...small,
    numLayers: 2,
    groupSize: 1,
    qkvMultipliers: 0.5,
    ffnMultipliers: 2,
  }),
  "query width below and above D": openElmConfig({
    ...small,
    numLayers: 3,
    groupSize: 2,
    qkvMultipliers: [0.5, 2],
    ffnMultipliers: [0.5, 3],
  }),
  untied: openElmConfig({
    ...small,
    numLayers: 2,
    groupSize: 2,
    qkvMultipliers: [0.5, 1],
    ffnMultipliers: 1,
    tied: false,
  }),
};

export function createEdge(name: string, seed = 1): Promise<OpenElm> {
  return createOpenElm(edges[name] as OpenElmConfig, { rng: new Rng(seed) });
}
