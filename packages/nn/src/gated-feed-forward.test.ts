import { type Tensor2D, tensor } from "@corenet/tensor";
import { expect, test } from "vitest";
import { expectGradient, expectNoLeak, loadGolden, onEveryBackend } from "../../../tools/testing/index.ts";
import { gatedFeedForward, siluMul } from "./gated-feed-forward.ts";

const golden = await loadGolden("openelm/modules");
const tiny = await loadGolden("openelm/tiny");
const silu = (x: number) => x / (1 + Math.exp(-x));

onEveryBackend(() => {
  test("siluMul multiplies silu of the first half by the second", async () => {
    const y = siluMul(
      tensor([
        [1, -2, 10, 100],
        [0, 3, 5, -7],
      ]),
    );
    await expect(y).toBeAllClose([
      [silu(1) * 10, silu(-2) * 100],
      [0, silu(3) * -7],
    ]);
  });

  test("siluMul stays finite where the exponential does not", async () => {
    await expect(siluMul(tensor([[200, -200, 1, 1]]))).toBeAllClose([[200, 0]]);
  });

  test("siluMul has the gradient of its formula", async () => {
    const params = {
      x: tensor([
        [0.5, -1, 2, 0.25],
        [1, 0, -1, 3],
      ]),
    };
    await expectGradient((p: typeof params) => siluMul(p.x), params);
  });

  test("the block matches the reference", async () => {
    const params = {
      gateUp: tiny.tensor("param.layers.1.ffn.proj_1.weight") as Tensor2D,
      down: tiny.tensor("param.layers.1.ffn.proj_2.weight") as Tensor2D,
    };
    const y = gatedFeedForward(golden.tensor("input.hidden"), params);
    await expect(y).toBeAllClose(golden.tensor("output.ffn"), { atol: 2e-5 });
  });

  test("gradients reach x and both matrices", async () => {
    const params = {
      x: tensor([[0.5, -1, 2]]),
      gateUp: tensor([
        [1, 0.5, -1],
        [0, 1, 1],
        [0.5, 0.5, 0.5],
        [-1, 0, 2],
      ]),
      down: tensor([
        [1, -1],
        [0.5, 2],
        [0, 1],
      ]),
    };
    await expectGradient((p: typeof params) => gatedFeedForward(p.x, p), params);
  });

  test("says what does not fit", () => {
    expect(() => siluMul(tensor([[1, 2, 3]]))).toThrow(
      "siluMul: the last side is 3, expected an even number: gate and up side by side.",
    );
    expect(() => siluMul(tensor(1))).toThrow("the last side is 0");
    const gateUp = tensor([[1], [2], [3], [4]]);
    const wrongDown = tensor([[1, 2, 3]]);
    expect(() => gatedFeedForward(tensor([[1]]), { gateUp, down: wrongDown })).toThrow(
      "linear: x has shape [1, 2], expected [1, 3].",
    );
  });

  test("frees its intermediates, also when it throws", () => {
    const x = tensor([[1]]);
    const gateUp = tensor([[1], [2], [3], [4]]);
    const down = tensor([[1, 2]]);
    expectNoLeak(() => gatedFeedForward(x, { gateUp, down }));
    const wrongDown = tensor([[1, 2, 3]]);
    expectNoLeak(() => {
      expect(() => gatedFeedForward(x, { gateUp, down: wrongDown })).toThrow();
    });
  });
});
