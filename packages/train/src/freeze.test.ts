import { memory, mul, readData, square, sum, type Tensor, tensor, tidy, valueAndGrad } from "@corenet/tensor";
import { describe, expect, test } from "vitest";
import { onEveryBackend } from "../../../tools/testing/index.ts";
import { freeze } from "./freeze.ts";
import { constantSchedule } from "./schedules.ts";
import { train } from "./train.ts";

onEveryBackend(() => {
  const layer = (value: number) => ({ attn: { weight: tensor([value]) }, attn_norm: tensor([value]) });
  const make = () => ({
    token_embeddings: { weight: tensor([1, 2]) },
    layers: Array.from({ length: 12 }, (_, i) => layer(i)),
    norm: tensor([1]),
  });

  describe("patterns", () => {
    const frozenBy = (...patterns: string[]) => {
      const params = make();
      const { match } = freeze(patterns, params);
      return (path: string) => match(path, params.norm);
    };

    test("name the beginning of a path, in whole parts", () => {
      const isFrozen = frozenBy("token_embeddings", "layers.1");
      expect(isFrozen("token_embeddings.weight")).toBe(true);
      expect(isFrozen("layers.1.attn.weight")).toBe(true);
      expect(isFrozen("layers.10.attn.weight")).toBe(false);
      expect(isFrozen("norm")).toBe(false);
    });

    test("hold ranges of numbers", () => {
      const isFrozen = frozenBy("layers.2-10");
      const frozen = Array.from({ length: 12 }, (_, i) => i).filter((i) => isFrozen(`layers.${i}.attn_norm`));
      expect(frozen).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10]);
    });

    test("hold stars, within a part", () => {
      const isFrozen = frozenBy("layers.*.*norm");
      expect(isFrozen("layers.3.attn_norm")).toBe(true);
      expect(isFrozen("layers.3.attn.weight")).toBe(false);
      expect(isFrozen("norm")).toBe(false);
      expect(frozenBy("*")("anything")).toBe(true);
    });

    test("must name something", () => {
      expect(() => frozenBy("layers.12")).toThrow(
        'freeze: nothing is named "layers.12", expected the beginning of a path',
      );
      expect(() => frozenBy("embeddings")).toThrow("which start with token_embeddings, layers, norm.");
      expect(() => frozenBy("")).toThrow('nothing is named ""');
      expect(() => frozenBy("lay(ers")).toThrow('nothing is named "lay(ers"');
    });
  });

  test("what is frozen stays, to the bit, and has no moments", async () => {
    const params = { a: { w: tensor([1, 2]) }, b: { w: tensor([3, 4]) } };
    const trained = await train({
      params,
      loss: (p) => sum(mul(square(p.a.w), p.b.w)),
      batches: { next: () => ({}), save: () => null, restore: () => {} },
      schedule: constantSchedule({ learningRate: 0.1 }),
      optimizer: { groups: [freeze(["a"], params)] },
      steps: 3,
    });
    expect([...(await readData(trained.params.a.w))]).toEqual([1, 2]);
    expect([...(await readData(trained.params.b.w))]).not.toEqual([3, 4]);
  });

  test("what leads to frozen parameters alone is freed on the way", () => {
    const w = Array.from({ length: 8 }, () => tensor(new Float32Array(1000).fill(1.01)));
    const params = { w };
    const peakOf = (trainable: readonly Tensor[]): number => {
      let peak = 0;
      tidy(() => {
        valueAndGrad(
          () => {
            const y = params.w.reduce((x, weight) => tidy(() => mul(square(x), weight)));
            peak = memory().numBytes;
            return sum(y);
          },
          { trainable: [...trainable] },
        );
      });
      return peak;
    };
    const all = peakOf(w);
    const last = peakOf(w.slice(-1));
    expect(all - last).toBeGreaterThan(6 * 2 * 4000); // two tensors of each layer that has nothing to learn
  });
});
