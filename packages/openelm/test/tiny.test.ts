// The reference's tiny model, to the number: logits, losses, every gradient.
import { crossEntropy } from "@corenet/nn";
import { forward, type OpenElm, type OpenElmParams } from "@corenet/openelm";
import {
  clone,
  disposeTree,
  mapTree,
  readData,
  slice,
  sum,
  type Tensor,
  type Tensor2D,
  type TensorTree,
  tensor,
  treeEntries,
  valueAndGrad,
} from "@corenet/tensor";
import { describe, expect, test } from "vitest";
import { expectGradient, loadGolden, onEveryBackend } from "../../../tools/testing/index.ts";
import { createEdge, edges, loadTiny } from "./models.ts";

const golden = await loadGolden("openelm/tiny");
const gradients = await loadGolden("openelm/tiny-grad");
const near = { atol: 2e-5, rtol: 1e-4 };
const padding = 96;

const tokensOf = (): Tensor2D => golden.tensor("input.tokens") as Tensor2D;
const number = (name: string): number => golden.tensors.get(name)?.data[0] as number;

/** The trained loss: cross-entropy and z-loss over the targets that are not padding. */
function lossOf(params: TensorTree, model: OpenElm): Tensor {
  const logits = forward(tokensOf(), params as OpenElmParams, model.config);
  return crossEntropy(logits, golden.tensor("input.targets"), { ignoreIndex: padding, zLoss: 1e-4 });
}

onEveryBackend(() => {
  test("logits", async () => {
    using model = await loadTiny();
    await expect(model.forward(tokensOf())).toBeAllClose(golden.tensor("output.logits"), near);
  });

  test("losses", async () => {
    using model = await loadTiny();
    const logits = model.forward(tokensOf());
    const targets = golden.tensor("input.targets");
    const loss = async (options: { labelSmoothing?: number; zLoss?: number }) =>
      (await readData(crossEntropy(logits, targets, { ignoreIndex: padding, ...options })))[0] as number;
    const ce = await loss({});
    expect(Math.abs(ce - number("output.ce_loss"))).toBeLessThan(1e-5);
    expect(Math.abs((await loss({ zLoss: 1e-4 })) - ce - number("output.z_loss_corrected"))).toBeLessThan(
      1e-6,
    );
    expect(Math.abs((await loss({ labelSmoothing: 0.1 })) - number("output.ce_loss_smoothed"))).toBeLessThan(
      1e-5,
    );
  });

  test("the reference's z-loss is ours and a constant of the padding", () => {
    const [ignored, valid] = [6, 28]; // each ignored target adds ln(97)²
    const constant = (1e-4 * Math.log(97) ** 2 * ignored) / valid;
    expect(number("output.z_loss") - number("output.z_loss_corrected")).toBeCloseTo(constant, 7);
  });

  test("the gradient of every weight", async () => {
    using model = await loadTiny();
    const { value, grads } = valueAndGrad((p: TensorTree) => lossOf(p, model), model.params as TensorTree);
    const total = number("output.ce_loss") + number("output.z_loss_corrected");
    await expect(value).toBeAllClose([total], { atol: 1e-5 });
    const paths: string[] = [];
    for (const [path, gradient] of treeEntries<Tensor>(grads)) {
      await expect(gradient, path).toBeAllClose(gradients.tensor(`grad.${path}`), near);
      paths.push(`grad.${path}`);
    }
    expect(paths.toSorted()).toEqual([...gradients.tensors.keys()].toSorted());
  });

  test("the embedding's row of padding gets its gradient from the head alone", async () => {
    using model = await loadTiny();
    // With a head of its own, only lookups reach the table. Id 96 is looked up, but no target comes after it.
    const head = clone(model.params.token_embeddings.weight as Tensor2D);
    const untied = { ...model.config, tied: false };
    const loss = ({ table }: { table: Tensor }) => {
      const params = {
        ...model.params,
        token_embeddings: { weight: table as Tensor2D },
        classifier: { weight: head },
      };
      const logits = forward(tokensOf(), params, untied);
      return crossEntropy(logits, golden.tensor("input.targets"), { ignoreIndex: padding });
    };
    const { grads } = valueAndGrad(loss, { table: model.params.token_embeddings.weight as Tensor });
    const row = (id: number) => slice(grads.table, [id, 0], [1, 48]);
    await expect(row(padding)).toBeAllClose(Array(48).fill(0), { atol: 0, rtol: 0 });
    const first = golden.tensors.get("input.tokens")?.data[0] as number;
    await expect(row(first)).not.toBeAllClose(Array(48).fill(0), { atol: 1e-6 });
  });

  test("gradients agree with central differences", async () => {
    using model = await loadTiny();
    const { attn, ffn, attn_norm } = model.params.layers[2] as OpenElmParams["layers"][number];
    const leaves = {
      qkv: attn.qkv_proj.weight as Tensor2D,
      kNorm: attn.k_norm.weight as Tensor,
      down: ffn.proj_2.weight as Tensor2D,
      norm: attn_norm.weight as Tensor,
      table: model.params.token_embeddings.weight as Tensor2D,
    };
    await expectGradient(
      (p: typeof leaves) => {
        const paths: Record<string, Tensor> = {
          "layers.2.attn.qkv_proj.weight": p.qkv,
          "layers.2.attn.k_norm.weight": p.kNorm,
          "layers.2.ffn.proj_2.weight": p.down,
          "layers.2.attn_norm.weight": p.norm,
          "token_embeddings.weight": p.table,
        };
        return lossOf(
          mapTree(model.params as TensorTree, (leaf, path) => paths[path] ?? leaf),
          model,
        );
      },
      leaves,
      { elements: 3, h: 2 ** -5, atol: 2e-3 },
    );
  });
});

describe("at the edges of what a config may say", () => {
  onEveryBackend(() => {
    test.each(Object.keys(edges))("%s: every weight has the gradient of its differences", async (name) => {
      using model = await createEdge(name);
      const tokens = tensor(Int32Array.of(1, 5, 12, 0, 7, 7), [2, 3]);
      const logits = (p: TensorTree) => forward(tokens, p as OpenElmParams, model.config);
      await expectGradient(logits, model.params as TensorTree, { elements: 2, h: 2 ** -7, atol: 3e-3 });
      const { grads } = valueAndGrad((p: TensorTree) => sum(logits(p)), model.params as TensorTree);
      for (const [path, gradient] of treeEntries<Tensor>(grads)) {
        expect(
          (await readData(gradient)).some((g) => g !== 0),
          path,
        ).toBe(true);
      }
      disposeTree(grads);
    });
  });
});
