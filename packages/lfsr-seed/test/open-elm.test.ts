// A compressed OpenELM is an OpenELM with other leaves: compress, load, generate, score, save.

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Rng } from "@corenet/core";
import { fileSource, openSafetensors } from "@corenet/formats";
import { compressCheckpoint, LfsrMatrix, lfsrContainer, lfsrTensorNames } from "@corenet/lfsr-seed";
import { applyLora, createLora, crossEntropy, generate, type LoraParams } from "@corenet/nn";
import { loadOpenElm, saveOpenElm } from "@corenet/openelm";
import {
  isTensor,
  mul,
  type PackedMatrix,
  type ParamTree,
  sub,
  type Tensor,
  type Tensor2D,
  type TensorTree,
  takeData,
  tensor,
  treeLeaves,
  valueAndGrad,
  zipTrees,
} from "@corenet/tensor";
import { afterAll, beforeAll, expect, test } from "vitest";
import { expectNoLeak, onEveryBackend } from "../../../tools/testing/index.ts";

const published = new URL("../../../golden/openelm/tiny-hf", import.meta.url).pathname;
const packed = [lfsrContainer()];
let work = "";
let folder = "";

beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), "lfsr-openelm-"));
  folder = join(work, "compressed");
  await compressCheckpoint({ source: published, out: folder, nSeeds: 255 });
}, 60_000);
afterAll(async () => {
  await rm(work, { recursive: true });
});

/** The bytes of every entry of a folder's weights. */
async function entriesOf(path: string): Promise<Map<string, Uint8Array>> {
  const file = await openSafetensors(await fileSource(join(path, "model.safetensors")));
  const entries = new Map<string, Uint8Array>();
  for (const name of file.tensors.keys()) {
    const { buffer, byteOffset, byteLength } = await file.read(name);
    entries.set(name, new Uint8Array(buffer, byteOffset, byteLength));
  }
  await file.close();
  return entries;
}

onEveryBackend(() => {
  test("loads packed, and gives the logits of the decoded weights", async () => {
    using model = await loadOpenElm(folder, { packed });
    const leaves = treeLeaves<Tensor | PackedMatrix>(model.params as ParamTree);
    const matrices = leaves.filter((leaf) => !isTensor(leaf));
    expect(matrices.length).toBe(16); // four in each layer
    expect(matrices.every((leaf) => leaf instanceof LfsrMatrix)).toBe(true);
    await saveOpenElm(model, join(work, "decoded"));
    using decoded = await loadOpenElm(join(work, "decoded"));
    const tokens = tensor(Int32Array.of(1, 61, 13, 35, 51, 16, 0, 96), [2, 4]);
    await expect(model.forward(tokens)).toBeAllClose(decoded.forward(tokens), { atol: 2e-5, rtol: 1e-4 });
  });

  test("generates what the decoded weights generate", async () => {
    const texts: number[][] = [];
    for (const mode of ["fused", "eager"] as const) {
      using model = await loadOpenElm(folder, { packed: [lfsrContainer({ mode })] });
      const ids: number[] = [];
      for await (const id of generate(model, [1, 61], { maxNewTokens: 12, temperature: 0 })) ids.push(id);
      texts.push(ids);
    }
    expect(texts[0]).toEqual(texts[1]);
  });

  test("saves the very bytes that it was loaded from, and leaves nothing behind", async () => {
    await expectNoLeak(async () => {
      using model = await loadOpenElm(folder, { packed });
      await saveOpenElm(model, join(work, "again"), { packed });
    });
    expect(await entriesOf(join(work, "again"))).toEqual(await entriesOf(folder));
  });
});

onEveryBackend(() => {
  test("LoRA learns on top of packed weights, which stay as they are", async () => {
    using model = await loadOpenElm(folder, { packed });
    const scaling = { rank: 4, alpha: 8 };
    const targets = (path: string) => path.startsWith("layers.");
    const tokens: Tensor2D = tensor(Int32Array.of(1, 61, 13, 35, 51, 16, 0, 96), [2, 4]);
    const next: Tensor2D = tensor(Int32Array.of(61, 13, 35, 2, 16, 0, 96, 2), [2, 4]);
    const lossOf = (lora: TensorTree) =>
      crossEntropy(
        model.withParams(applyLora(model.params, lora as LoraParams, scaling)).forward(tokens),
        next,
      );
    let lora = createLora(model.params, { rank: 4, rng: new Rng(1), targets });
    expect(Object.keys(lora).length).toBe(16);
    const losses: number[] = [];
    for (let step = 0; step < 4; step++) {
      const { value, grads } = valueAndGrad(lossOf, lora as TensorTree);
      losses.push((await takeData(value))[0] as number);
      lora = zipTrees([lora as TensorTree, grads], ([weight, slope]) =>
        sub(weight as Tensor, mul(slope as Tensor, 0.1)),
      ) as LoraParams;
    }
    expect(losses.at(-1)).toBeLessThan(losses[0] as number);
    await saveOpenElm(model, join(work, "frozen"), { packed });
    expect(await entriesOf(join(work, "frozen"))).toEqual(await entriesOf(folder));
  });
});

test("a folder says what it needs when no container is given", async () => {
  await expect(loadOpenElm(folder)).rejects.toThrow(
    /layers\.0\.attn\.qkv_proj\.weight is packed \(.*lfsr_config.*\), expected its container: pass it in `packed`/,
  );
});

test("the container finds every matrix, its shape and its entries", async () => {
  const config = JSON.parse(await readFile(join(folder, "config.json"), "utf8"));
  const file = await openSafetensors(await fileSource(join(folder, "model.safetensors")));
  expect(lfsrTensorNames(file).length).toBe(16);
  const found = await lfsrContainer().find(file);
  await file.close();
  const name = "transformer.layers.0.attn.qkv_proj.weight";
  expect(found.get(name)).toMatchObject({ shape: [64, config.model_dim] });
  expect(found.get(name)?.entries.map((entry) => entry.split(".").at(-1))).toEqual([
    "lfsr_config",
    "lfsr_seeds",
    "lfsr_words",
  ]);
});
