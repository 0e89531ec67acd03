import { Rng } from "@corenet/core";
import { crossEntropy } from "@corenet/nn";
import { createOpenElm, openElmConfig } from "@corenet/openelm";
import { type Tensor, type TensorTree, tensor, treeEntries, valueAndGrad } from "@corenet/tensor";
import { expect, test } from "vitest";
import { onBackend, onEveryBackend } from "../../../tools/testing/index.ts";
import { stepMemory } from "../bench/step-memory.ts";
import { WORKLOADS } from "../bench/training.ts";

onBackend("wasm", () => {
  test.each([
    ["keeps every activation", false],
    ["checkpoints its layers", true],
  ])("a training step that %s takes at most 1.3 times what it has to keep", async (_, checkpointLayers) => {
    const { state, gradients, saved, peak } = await stepMemory(WORKLOADS["845 k"], { checkpointLayers });
    expect(state).toBe(3 * gradients);
    expect(saved).toBeGreaterThan(4e6);
    expect(peak).toBeLessThan(1.3 * saved); // gradients included
  });
});

onBackend("wasm", () => {
  test("frozen layers keep no activations, no gradients and no moments", async () => {
    const names = ["token_embeddings", "layers.0-1"];
    const all = await stepMemory(WORKLOADS["845 k"], { checkpointLayers: false });
    const frozen = await stepMemory(WORKLOADS["845 k"], { checkpointLayers: false, frozen: names });
    expect(frozen.gradients).toBeLessThan(0.6 * all.gradients);
    expect(frozen.saved).toBeLessThan(0.7 * all.saved);
    expect(frozen.peak).toBeLessThan(0.7 * all.peak);
  });
});

const config = openElmConfig({
  ...{ vocabSize: 64, contextLength: 16, numLayers: 3, modelDim: 32, headDim: 8, groupSize: 2 },
  ...{ qkvMultipliers: [0.5, 1], ffnMultipliers: [1, 2], ffnDivisor: 16 },
});

onEveryBackend(() => {
  test("checkpointed layers give the same loss and the same gradients", async () => {
    using model = await createOpenElm(config, { rng: new Rng(1) });
    const tokens = tensor(
      Int32Array.from({ length: 24 }, (_, i) => (i * 5) % 64),
      [2, 12],
    );
    const gradients = (checkpointLayers: boolean) =>
      valueAndGrad(
        (params) => crossEntropy(model.withParams(params).forward(tokens, { checkpointLayers }), tokens),
        model.params as object as TensorTree,
      );
    const [kept, again] = [gradients(false), gradients(true)];
    await expect(again.value).toBeAllClose(kept.value, { atol: 0, rtol: 0 });
    const wanted = new Map(treeEntries<Tensor>(kept.grads));
    for (const [path, gradient] of treeEntries<Tensor>(again.grads)) {
      await expect(gradient).toBeAllClose(wanted.get(path) as Tensor, { atol: 1e-7, rtol: 1e-5 });
    }
  });

  test("checkpointed layers take no cache", async () => {
    using model = await createOpenElm(config, { rng: new Rng(1) });
    using cache = model.createCache({ batch: 1, capacity: 4 });
    const tokens = tensor(Int32Array.of(1, 2), [1, 2]);
    expect(() => model.forward(tokens, { cache, checkpointLayers: true })).toThrow("Train without a cache.");
  });
});
