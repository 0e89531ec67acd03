import type { Rng } from "@corenet/core";
import { createOpenElm, type OpenElm, type OpenElmConfig } from "@corenet/openelm";
import { mapTree, mul } from "@corenet/tensor";
import type { TrainingSettings } from "./settings.ts";

/** A fresh model, its embeddings scaled as the settings say. One seed gives one model. */
export async function createModel(
  config: OpenElmConfig,
  { embeddingScale }: Pick<TrainingSettings, "embeddingScale">,
  rng: Rng,
): Promise<OpenElm> {
  const model = await createOpenElm(config, { rng });
  const params = mapTree(model.params, (leaf, path) => {
    if (path !== "token_embeddings.weight") return leaf;
    const scaled = mul(leaf, embeddingScale);
    leaf.dispose();
    return scaled;
  });
  return model.withParams(params);
}
