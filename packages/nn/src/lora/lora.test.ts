import { Rng } from "@corenet/core";
import {
  disposeTree,
  mul,
  packMatrix,
  reshape,
  sum,
  type Tensor1D,
  type Tensor2D,
  tensor,
  valueAndGrad,
} from "@corenet/tensor";
import { describe, expect, test } from "vitest";
import { expectNoLeak, loadGolden, onEveryBackend } from "../../../../tools/testing/index.ts";
import { embedding } from "../embedding.ts";
import { linear } from "../linear.ts";
import { type LoraParams, loraScale } from "./adapter.ts";
import { applyLora, createLora, mergeLora } from "./lora.ts";
import { LoraWeight, mergedWeight } from "./lora-weight.ts";

const golden = await loadGolden("openelm/lora");
const take = <T = Tensor2D>(name: string) => golden.tensor(name) as T;
const linearScaling = { rank: 4, alpha: 8 };
const tolerance = { atol: 2e-5, rtol: 1e-4 };

onEveryBackend(() => {
  describe.each(["lora", "dora"])("%s", (kind) => {
    const adapter = () => ({
      loraA: take("param.lora_A"),
      loraB: take("param.lora_B"),
      ...(kind === "dora" ? { magnitude: take<Tensor1D>("param.magnitude") } : {}),
    });

    test("gives the reference's output and gradients", async () => {
      const [x, w, upstream] = [take("input.x"), take("param.weight"), take("input.upstream")];
      const weight = () => new LoraWeight(w, adapter(), loraScale(linearScaling));
      await expect(linear(x, weight())).toBeAllClose(take(`output.${kind}`), tolerance);
      const { grads } = valueAndGrad(
        (at: { x: Tensor2D; adapter: ReturnType<typeof adapter> }) =>
          sum(mul(linear(at.x, new LoraWeight(w, at.adapter, loraScale(linearScaling))), upstream)),
        { x, adapter: adapter() },
      );
      await expect(grads.x).toBeAllClose(take(`grad.${kind}.x`), tolerance);
      await expect(grads.adapter.loraA).toBeAllClose(take(`grad.${kind}.lora_A`), tolerance);
      await expect(grads.adapter.loraB).toBeAllClose(take(`grad.${kind}.lora_B`), tolerance);
      if (grads.adapter.magnitude) {
        await expect(grads.adapter.magnitude).toBeAllClose(take("grad.dora.magnitude"), tolerance);
      }
    });

    test("merges into the reference's weight, which gives the same", async () => {
      const weight = new LoraWeight(take("param.weight"), adapter(), loraScale(linearScaling));
      const merged = mergedWeight(weight);
      await expect(merged).toBeAllClose(take(`output.${kind}_merged_weight`), tolerance);
      await expect(linear(take("input.x"), merged)).toBeAllClose(linear(take("input.x"), weight), tolerance);
      const back = take("input.upstream");
      await expect(weight.multiply(back, { transpose: true })).toBeAllClose(
        new LoraWeight(merged, zeroAdapter(), 1).multiply(back, { transpose: true }),
        tolerance,
      );
    });
  });

  test("an embedding's adapter changes the lookup and not the head", async () => {
    const adapter = { embeddingA: take("param.embedding_A"), embeddingB: take("param.embedding_B") };
    const table = take("param.embedding");
    const weight = new LoraWeight(table, adapter, loraScale({ rank: 3, alpha: 6 }));
    const looked = embedding(take("input.ids"), weight);
    await expect(looked).toBeAllClose(golden.tensor("output.embedding"), tolerance);
    const h = reshape(looked, [6, 6]) as Tensor2D;
    await expect(linear(h, weight)).toBeAllClose(linear(h, table));
  });

  test("fresh adapters change nothing, packed weights included", async () => {
    const dense = tensor(
      Array.from({ length: 8 }, (_, i) => Array.from({ length: 6 }, (_, j) => Math.sin(i * 6 + j))),
    );
    const packed = await packMatrix(dense, "f16");
    const params = {
      token_embeddings: { weight: dense },
      proj: { weight: packed },
      norm: { weight: tensor([1, 2]) },
    };
    const lora = createLora(params, { rank: 2, rng: new Rng(3), dora: () => true });
    expect(Object.keys(lora)).toEqual(["token_embeddings.weight", "proj.weight"]);
    const adapted = applyLora(params, lora, { rank: 2, alpha: 2 }) as typeof params;
    const x = tensor([[1, 2, 3, 4, 5, 6]]);
    await expect(linear(x, adapted.proj.weight)).toBeAllClose(linear(x, packed), tolerance);
    const ids = tensor(Int32Array.of(3, 0), [1, 2]) as Tensor2D;
    await expect(embedding(ids, adapted.token_embeddings.weight)).toBeAllClose(embedding(ids, dense));
    expect(adapted.norm.weight).toBe(params.norm.weight);
    packed.dispose();
  });

  test("leaves nothing behind", () => {
    const [x, w] = [take("input.x"), take("param.weight")];
    const lora: LoraParams = createLora({ w }, { rank: 2, rng: new Rng(1), dora: () => true });
    expectNoLeak(() =>
      linear(x, (applyLora({ w }, lora, { rank: 2, alpha: 4 }) as { w: Tensor2D }).w).dispose(),
    );
    expectNoLeak(() => {
      const merged = mergeLora({ w }, lora, { rank: 2, alpha: 4 });
      disposeTree(merged);
    });
  });
});

test("says what does not fit", () => {
  const params = { embedding: { weight: take("param.embedding") }, w: take("param.weight") };
  const lora = createLora(params, { rank: 2, rng: new Rng(1) });
  const scaling = { rank: 2, alpha: 2 };
  expect(() => mergeLora(params, lora, scaling)).toThrow("embedding.weight is adapted for lookups alone");
  expect(() => applyLora({ v: params.w }, { w: zeroAdapter() }, scaling)).toThrow("there is no parameter w");
  expect(() => applyLora({ w: params.embedding.weight }, { w: zeroAdapter() }, scaling)).toThrow(
    "w is [10,6] and its adapter [1,16] and [24,1], expected [r, 6] and [10, r]",
  );
  expect(() => createLora(params, { rank: 0, rng: new Rng(1) })).toThrow("rank is 0");
  expect(() => createLora(params, { rank: 1, rng: new Rng(1), targets: () => false })).toThrow(
    "no matrix is a target",
  );
  disposeTree(mergeLora(params, { w: lora.w as never }, scaling) as { w: Tensor2D });
});

test("the scale is α / r, or α / √r", () => {
  expect(loraScale({ rank: 4, alpha: 8 })).toBe(2);
  expect(loraScale({ rank: 4, alpha: 8, rankStabilized: true })).toBe(4);
});

function zeroAdapter() {
  return {
    loraA: tensor([new Array<number>(16).fill(0)]),
    loraB: tensor(Array.from({ length: 24 }, () => [0])),
  };
}
