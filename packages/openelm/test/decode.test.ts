// A decode step leaves nothing behind, whatever the weights are stored in, and its cache stays where it is.

import {
  activeBackend,
  type MatrixFormat,
  mapTree,
  memory,
  type PackedMatrix,
  packMatrix,
  type Tensor,
  type Tensor2D,
  type TensorTree,
  takeData,
  tensor,
  treeEntries,
} from "@corenet/tensor";
import { expect, test } from "vitest";
import { onBackend } from "../../../tools/testing/index.ts";
import { loadTiny } from "./models.ts";

onBackend("wasm", () => {
  test.each(["f32", "f16", "bf16", "int8", "int4"] as const)(
    "%s: after the first step neither tensors, bytes nor heap grow, and the cache stays in place",
    async (format: MatrixFormat) => {
      const plain = await loadTiny();
      const packed = new Map<string, PackedMatrix>();
      for (const [path, leaf] of treeEntries<Tensor>(plain.params as TensorTree)) {
        if (leaf.rank === 2) packed.set(path, await packMatrix(leaf as Tensor2D, format));
      }
      const model = plain.withParams(
        mapTree<Tensor, Tensor | PackedMatrix>(
          plain.params as TensorTree,
          (leaf, path) => packed.get(path) ?? leaf,
        ),
      );
      using cache = model.createCache({ batch: 1, capacity: 24 });
      const { wasm: host } = activeBackend();
      const places = () => cache.shapes.map((_, layer) => host?.address(cache.layer(layer).keys));
      const step = async (id: number) => {
        const tokens = tensor(Int32Array.of(id), [1, 1]);
        const logits = await takeData(model.forward(tokens, { cache, logits: "last" }));
        tokens.dispose();
        return logits;
      };
      await step(1);
      const state = () => ({ ...memory(), heap: host?.memory.buffer.byteLength, places: places() });
      const after = state();
      for (let id = 2; id < 22; id++) expect((await step(id)).every(Number.isFinite)).toBe(true);
      expect(state()).toEqual(after);
    },
  );
});
