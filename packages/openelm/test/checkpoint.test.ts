// Layers that are computed again on the way back: the same gradients, for a fraction of the memory.

import { Rng } from "@corenet/core";
import { crossEntropy, embedding } from "@corenet/nn";
import { createOpenElm, decoderLayer, type OpenElmParams, openElmConfig } from "@corenet/openelm";
import {
  checkpoint,
  customGradient,
  memory,
  mul,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  type TensorTree,
  tensor,
  treeLeaves,
  valueAndGrad,
} from "@corenet/tensor";
import { expect, test } from "vitest";
import { onBackend } from "../../../tools/testing/index.ts";
import { head, positionsOf } from "../src/model.ts";

const config = openElmConfig({
  modelDim: 32,
  headDim: 8,
  ffnDivisor: 8,
  vocabSize: 50,
  contextLength: 64,
  numLayers: 6,
  groupSize: 2,
  qkvMultipliers: [0.5, 1],
  ffnMultipliers: [1, 3],
});
const [B, T] = [4, 48];

onBackend("wasm", () => {
  test("gradients are the same, and six layers keep a fifth of the bytes", async () => {
    const model = await createOpenElm(config, { rng: new Rng(1) });
    const ids = (shift: number) =>
      tensor(
        Int32Array.from({ length: B * T }, (_, i) => (i * 7 + shift) % 50),
        [B, T],
      );
    const [tokens, targets] = [ids(0) as Tensor2D, ids(7) as Tensor2D];
    const places = positionsOf(config, { past: 0, length: T });
    let atTurn = 0;
    const turn = (x: Tensor3D) =>
      customGradient(
        "turn",
        [x],
        () => mul(x, 1) as Tensor3D,
        () => {
          atTurn = memory().numBytes;
          return (dy) => [dy];
        },
      );
    const loss = (isSaved: boolean) => (tree: TensorTree) => {
      const params = tree as OpenElmParams;
      let x = embedding(tokens, params.token_embeddings.weight);
      for (const [index, layer] of params.layers.entries()) {
        const compute = (p: { x: Tensor3D; layer: typeof layer }) =>
          decoderLayer(p.x, p.layer, config, { index, places });
        x = isSaved ? checkpoint(compute, { x, layer }) : compute({ x, layer });
      }
      return crossEntropy(head(turn(x), params, config), targets);
    };
    const run = (isSaved: boolean) => {
      const before = memory().numBytes;
      const { value, grads } = valueAndGrad(loss(isSaved), model.params as TensorTree);
      return { value, grads: treeLeaves<Tensor>(grads), bytes: atTurn - before };
    };
    const [plain, saved] = [run(false), run(true)];
    await expect(saved.value).toBeAllClose(plain.value);
    for (const [i, gradient] of plain.grads.entries()) {
      await expect(saved.grads[i] as Tensor).toBeAllClose(gradient, { atol: 1e-6, rtol: 1e-4 });
    }
    expect(saved.bytes).toBeLessThan(plain.bytes / 5);
  });
});
