// The same model with its matrices in a storage format: no line of it knows.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generate } from "@corenet/nn";
import { forward, loadOpenElm, type OpenElm, type OpenElmParams, saveOpenElm } from "@corenet/openelm";
import {
  isTensor,
  type MatrixFormat,
  mapTree,
  type PackedMatrix,
  type ParamTree,
  packMatrix,
  range,
  slice,
  sum,
  type Tensor,
  type Tensor2D,
  type TensorTree,
  tensor,
  treeEntries,
  treeLeaves,
  valueAndGrad,
} from "@corenet/tensor";
import { expect, test } from "vitest";
import { expectNoLeak, onEveryBackend } from "../../../tools/testing/index.ts";
import { loadTiny } from "./models.ts";

const tokens = (): Tensor2D => tensor(Int32Array.of(1, 61, 13, 35, 51, 16, 0, 96), [2, 4]);
const near = { atol: 2e-5, rtol: 1e-4 };

/** Every matrix packed, every gain as it is; and the plain tree of what the packed matrices stand for. */
async function pack(model: OpenElm, format: MatrixFormat): Promise<{ packed: OpenElm; plain: OpenElm }> {
  const matrices = new Map<string, PackedMatrix>();
  for (const [path, leaf] of treeEntries<Tensor>(model.params as TensorTree)) {
    if (leaf.rank === 2) matrices.set(path, await packMatrix(leaf as Tensor2D, format));
  }
  const gain = (leaf: Tensor) => leaf;
  const tree = mapTree<Tensor, Tensor | PackedMatrix>(
    model.params as TensorTree,
    (leaf, path) => matrices.get(path) ?? gain(leaf),
  );
  const unpacked = mapTree(model.params as TensorTree, (leaf, path) => {
    const matrix = matrices.get(path);
    return matrix ? matrix.unpackRows(range(0, matrix.shape[0])) : gain(leaf);
  });
  return { packed: model.withParams(tree), plain: model.withParams(unpacked) };
}

onEveryBackend(() => {
  test.each(["f32", "f16", "bf16"] as const)(
    "%s gives the logits of the weights that it stands for",
    async (format) => {
      const model = await loadTiny();
      const { packed, plain } = await pack(model, format);
      expect(
        treeLeaves<Tensor | PackedMatrix>(packed.params as ParamTree).filter((leaf) => !isTensor(leaf))
          .length,
      ).toBe(17); // 4 in each layer, and the table
      const expected = plain.forward(tokens());
      await expect(packed.forward(tokens())).toBeAllClose(expected, near);
      using cache = packed.createCache({ batch: 2, capacity: 4 });
      packed.forward(tensor(Int32Array.of(1, 61, 51, 16), [2, 2]), { cache });
      const rest = packed.forward(tensor(Int32Array.of(13, 35, 0, 96), [2, 2]), { cache });
      const last = packed.forward(tokens(), { logits: "last" });
      await expect(last).toBeAllClose(plain.forward(tokens(), { logits: "last" }), near);
      expect(rest.shape).toEqual([2, 2, 97]);
    },
  );

  test.each([
    ["int8", 1e-3],
    ["int4", 0.1],
  ] as const)("%s gives nearly those logits, for one token as for many", async (format, atol) => {
    const { packed, plain } = await pack(await loadTiny(), format);
    const expected = plain.forward(tokens());
    await expect(packed.forward(tokens())).toBeAllClose(expected, { atol, rtol: atol });
    using cache = packed.createCache({ batch: 2, capacity: 4 });
    packed.forward(tensor(Int32Array.of(1, 61, 13, 51, 16, 0), [2, 3]), { cache });
    const last = packed.forward(tensor(Int32Array.of(35, 96), [2, 1]), { cache });
    await expect(last).toBeAllClose(slice(expected, [0, 3, 0], [2, 1, 97]), { atol, rtol: atol });
  });

  test("the table is packed once, for the lookup and for the head", async () => {
    const model = await loadTiny();
    const { packed } = await pack(model, "bf16");
    expect(packed.config.tied).toBe(true);
    const tables = treeLeaves<Tensor | PackedMatrix>(packed.params as ParamTree).filter(
      (leaf) => leaf.shape[0] === 97,
    );
    expect(tables.length).toBe(1);
  });

  test("gradients reach the gains behind packed matrices", async () => {
    const model = await loadTiny();
    const { packed, plain } = await pack(model, "bf16");
    const gradientOfNorm = ({ params, config }: OpenElm) => {
      const loss = ({ norm }: { norm: Tensor }) => {
        const [first, ...rest] = params.layers;
        const layers = [{ ...first, attn_norm: { weight: norm } }, ...rest] as OpenElmParams["layers"];
        return sum(forward(tokens(), { ...params, layers }, config));
      };
      return valueAndGrad(loss, { norm: params.layers[0]?.attn_norm.weight as Tensor }).grads.norm;
    };
    await expect(gradientOfNorm(packed)).toBeAllClose(gradientOfNorm(plain), { atol: 1e-3, rtol: 1e-3 });
  });

  test("says the same of wrong tokens", async () => {
    const { packed } = await pack(await loadTiny(), "f16");
    expect(() => packed.forward(tensor(Int32Array.of(0, 97), [1, 2]))).toThrow(
      "embedding: tokens[0, 1] is 97, expected an integer in [0, 97).",
    );
  });

  test("a half-precision folder is loaded as it is, generates, and leaves nothing behind", async () => {
    const folder = await mkdtemp(join(tmpdir(), "openelm-half-"));
    try {
      using model = await loadTiny();
      await saveOpenElm(model, folder, { dtype: "bfloat16" });
      await expectNoLeak(async () => {
        using half = await loadOpenElm(folder, { storage: "as-is" });
        using widened = await loadOpenElm(folder);
        const x = tokens();
        const [saw, wanted] = [half.forward(x), widened.forward(x)];
        await expect(saw).toBeAllClose(wanted, near);
        for (const one of [x, saw, wanted]) one.dispose();
        const ids: number[] = [];
        for await (const id of generate(half, [1, 61], { maxNewTokens: 5 })) ids.push(id);
        expect(ids.length).toBe(5);
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
