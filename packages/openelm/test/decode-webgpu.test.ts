// What a decode step asks of the GPU.
import { Rng } from "@corenet/core";
import { generate, generateTokens, mostLikely } from "@corenet/nn";
import { createOpenElm, openElmConfig } from "@corenet/openelm";
import { mapTree, mul, type TensorTree } from "@corenet/tensor";
import { expect, test } from "vitest";
import { type Asked, onBackend, watchDevice } from "../../../tools/testing/index.ts";

const config = openElmConfig({
  ...{ numLayers: 3, modelDim: 32, headDim: 16, groupSize: 2, ffnDivisor: 16 },
  ...{ qkvMultipliers: [1, 2], ffnMultipliers: [1, 2], vocabSize: 300, contextLength: 64 },
});

onBackend("webgpu", () => {
  test("is one submission, makes no buffer and no binding after the first steps, and reads eight bytes", async () => {
    using model = await createOpenElm(config, { rng: new Rng(1) });
    using device = watchDevice();
    const steps: Asked[] = [];
    for await (const _ of generate(model, [1, 2, 3], { maxNewTokens: 10 })) steps.push(device.take());
    const steady = { submissions: 1, buffers: 0, bindings: 0, bytesRead: 8 };
    expect(steps[0]).toMatchObject({ submissions: 1, bytesRead: 8 });
    expect(steps.slice(3)).toEqual(Array.from({ length: 7 }, () => steady));
  });

  test("chooses what the logits say", async () => {
    using model = await createOpenElm(config, { rng: new Rng(2) });
    const chosen: number[] = [];
    for await (const id of generate(model, [1, 2, 3], { maxNewTokens: 8 })) chosen.push(id);
    const wanted: number[] = [];
    for await (const { id, logits } of generateTokens(model, [1, 2, 3], { maxNewTokens: 8 })) {
      expect(id).toBe(mostLikely(logits));
      wanted.push(id);
    }
    expect(chosen).toEqual(wanted);
  });

  test("with weights that are not finite says so", async () => {
    using model = await createOpenElm(config, { rng: new Rng(3) });
    const params = mapTree(model.params as TensorTree, (leaf) => mul(leaf, Number.NaN));
    using broken = model.withParams(params);
    const generating = async () => {
      for await (const _ of generate(broken, [1], { maxNewTokens: 1 }));
    };
    await expect(generating()).rejects.toThrow("the largest logit is NaN, expected a finite number");
  });
});
