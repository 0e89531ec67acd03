import type { Rng } from "@corenet/core";
import { createOpenElm, type OpenElm, openElmConfig } from "@corenet/openelm";
import { mapTree, mul } from "@corenet/tensor";

/** What `npm start` trains, narrower: one thread of a browser should move visibly. */
const config = openElmConfig({
  ...{ vocabSize: 256, contextLength: 128, ropeBase: 10_000, ropeMaxLength: 256, tied: false },
  ...{ numLayers: 4, modelDim: 96, headDim: 32, groupSize: 1, ffnDivisor: 32 },
  ...{ qkvMultipliers: [0.5, 1], ffnMultipliers: [1, 2.5] },
});

/** Large initial embeddings, from which a young model learns faster: docs/decisions/tiny-run.md. */
const embeddingScale = 16;

export async function createModel(rng: Rng): Promise<OpenElm> {
  const model = await createOpenElm(config, { rng });
  const params = mapTree(model.params, (leaf, path) => {
    if (path !== "token_embeddings.weight") return leaf;
    const scaled = mul(leaf, embeddingScale);
    leaf.dispose();
    return scaled;
  });
  return model.withParams(params);
}
