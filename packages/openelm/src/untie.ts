import {
  clone,
  isTensor,
  keep,
  mapTree,
  type PackedMatrix,
  range,
  type Tensor,
  type Tensor2D,
  tidy,
} from "@corenet/tensor";
import { OpenElm } from "./open-elm.ts";
import type { OpenElmParams } from "./parameters.ts";

/**
 * The same model with a head of its own, a copy of the embedding that it was tied to. Takes the parameters over: the
 * model given is not to be used or disposed any more. An untied model comes back as it is.
 */
export function untie(model: OpenElm): OpenElm {
  const { config, params } = model;
  if (!config.tied) return model;
  const table = params.token_embeddings.weight;
  const head = tidy(() =>
    keep(isTensor(table) ? clone(table) : (table as PackedMatrix).unpackRows(range(0, table.shape[0]))),
  ) as Tensor2D;
  const shared = mapTree<Tensor | PackedMatrix, Tensor | PackedMatrix>(
    params,
    (leaf) => leaf,
  ) as OpenElmParams;
  return new OpenElm({ ...shared, classifier: { weight: head } }, { ...config, tied: false });
}
