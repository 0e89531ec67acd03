import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Rng } from "@corenet/core";
import { bytesSink, bytesSource, writeSafetensors } from "@corenet/formats";
import { applyLora, createLora, crossEntropy, type LoraParams, mergeLora } from "@corenet/nn";
import {
  loadLora,
  OpenElm,
  type OpenElmParams,
  openElmConfig,
  parameterShapes,
  saveLora,
  untie,
} from "@corenet/openelm";
import {
  disposeTree,
  keep,
  mapTree,
  mul,
  type PackedMatrix,
  readData,
  sub,
  type Tensor,
  type Tensor2D,
  type TensorTree,
  tensor,
  tidy,
  treeEntries,
  valueAndGrad,
  zipTrees,
} from "@corenet/tensor";
import { afterAll, expect, test } from "vitest";
import { expectNoLeak, onBackend } from "../../../tools/testing/index.ts";
import { loadTiny } from "./models.ts";

const folder = mkdtempSync(join(tmpdir(), "corenet-lora-"));
afterAll(() => rmSync(folder, { recursive: true }));
const scaling = { rank: 2, alpha: 4 };
const tokens = () => tensor(Int32Array.of(1, 61, 13, 35, 51, 7), [1, 6]) as Tensor2D;
const targets = () => tensor(Int32Array.of(61, 13, 35, 51, 7, 2), [1, 6]) as Tensor2D;

/** Adapters that do something: no zeros. */
function lively(model: OpenElm, options: { embedding: boolean }): LoraParams {
  const lora = createLora(model.params, {
    ...{ rank: 2, rng: new Rng(5), dora: (path) => path.includes("ffn") },
    targets: (path) => options.embedding || !path.includes("embedding"),
  });
  let seed = 0;
  return mapTree(lora, (leaf: Tensor, path) => {
    const rng = new Rng(seed++);
    const values = Float32Array.from({ length: leaf.size }, () => 0.1 * rng.normal());
    return path.endsWith("magnitude") ? leaf : tensor(values, leaf.shape);
  }) as LoraParams;
}

onBackend("wasm", () => {
  test("a step on the adapters alone lowers the loss", async () => {
    using model = await loadTiny();
    const lora = createLora(model.params, { rank: 2, rng: new Rng(1) });
    const loss = (at: LoraParams) =>
      crossEntropy(
        (model.withParams(applyLora(model.params, at, scaling)) as OpenElm).forward(tokens()),
        targets(),
      );
    const first = valueAndGrad(loss, lora);
    const step = ([leaf, grad]: Tensor[]) => tidy(() => keep(sub(leaf as Tensor, mul(grad as Tensor, 0.05))));
    const stepped = zipTrees<TensorTree>([lora, first.grads], step) as LoraParams;
    const second = valueAndGrad(loss, stepped);
    const [before, after] = [await readData(first.value), await readData(second.value)];
    expect(after[0]).toBeLessThan(before[0] as number);
  });

  test("a merged model gives what the adapted one gives", async () => {
    using model = await loadTiny();
    const lora = lively(model, { embedding: false });
    const adapted = (model.withParams(applyLora(model.params, lora, scaling)) as OpenElm).forward(tokens());
    const merged = mergeLora(model.params, lora, scaling) as OpenElmParams;
    await expect(new OpenElm(merged, model.config).forward(tokens())).toBeAllClose(adapted, {
      atol: 1e-5,
      rtol: 1e-5,
    });
    await expect(model.forward(tokens())).not.toBeAllClose(adapted, { atol: 1e-2 });
  });

  test("an embedding's adapter merges once the model is untied", async () => {
    const model = untie(await loadTiny());
    const lora = lively(model, { embedding: true });
    expect(() => mergeLora(model.params, lora, scaling)).toThrow("Untie the model first");
    const adapted = (model.withParams(applyLora(model.params, lora, scaling)) as OpenElm).forward(tokens());
    const merged = mergeLora(model.params, lora, scaling, { untied: true }) as OpenElmParams;
    await expect(new OpenElm(merged, model.config).forward(tokens())).toBeAllClose(adapted, {
      atol: 1e-5,
      rtol: 1e-5,
    });
    model.dispose();
  });

  test("untying changes nothing but the number of weights", async () => {
    using tied = await loadTiny();
    const ids = tokens();
    const logits = tied.forward(ids);
    await expectNoLeak(async () => {
      const model = untie(await loadTiny());
      expect([...treeEntries<Tensor | PackedMatrix>(model.params)].map(([path]) => path)).toEqual(
        parameterShapes(model.config).map(({ path }) => path),
      );
      const own = model.forward(ids);
      await expect(own).toBeAllClose(logits);
      own.dispose();
      expect(untie(model)).toBe(model);
      model.dispose();
    });
  });

  test("adapters survive PEFT's files", async () => {
    using model = await loadTiny();
    const lora = lively(model, { embedding: true });
    await saveLora(lora, { ...scaling, rankStabilized: true }, folder, { baseModel: "apple/OpenELM-270M" });
    const config = JSON.parse(readFileSync(join(folder, "adapter_config.json"), "utf8"));
    expect(config).toMatchObject({
      ...{ peft_type: "LORA", r: 2, lora_alpha: 4, use_rslora: true, use_dora: true },
      target_modules: ["out_proj", "proj_1", "proj_2", "qkv_proj", "token_embeddings"],
    });
    const back = await loadLora(folder);
    expect(back.scaling).toEqual({ ...scaling, rankStabilized: true });
    expect(Object.keys(back.lora).sort()).toEqual(Object.keys(lora).sort());
    for (const [path, leaf] of treeEntries(lora) as Iterable<[string, Tensor]>) {
      const other = new Map(treeEntries(back.lora) as Iterable<[string, Tensor]>).get(path);
      await expect(other).toBeAllClose(leaf, { atol: 0, rtol: 0 });
    }
    disposeTree(back.lora);
  });

  test("says what is wrong with an adapter's files", async () => {
    const config = (text: string) =>
      bytesSource(new TextEncoder().encode(text), { name: "adapter_config.json" });
    const good = '{"peft_type":"LORA","r":2,"lora_alpha":4}';
    const weights = async (name: string) => {
      const sink = bytesSink();
      await writeSafetensors(sink, [{ name, dtype: "F32", shape: [1], data: new Float32Array(1) }]);
      return bytesSource(sink.bytes(), { name: "adapter_model.safetensors" });
    };
    await expect(loadLora([config(good)])).rejects.toThrow("expected adapter_model.safetensors among them");
    await expect(loadLora([config('{"peft_type":"IA3"}'), await weights("a")])).rejects.toThrow(
      'says peft_type "IA3", r undefined',
    );
    await expect(loadLora([config(good), await weights("a.b")])).rejects.toThrow(
      "a.b is no part of an adapter",
    );
    await expectNoLeak(async () => {
      const half = await weights("base_model.model.transformer.layers.0.ffn.proj_1.lora_A.weight");
      await expect(loadLora([config(good), half])).rejects.toThrow(
        "layers.0.ffn.proj_1.weight has one of its two matrices",
      );
    });
  });
});

test("the published sizes have as many trainable numbers as the reference says", () => {
  const counts = { "270M": 9_453_568, "450M": 13_508_608, "1.1B": 24_281_088, "3B": 45_887_488 } as const;
  const magnitudes = { "270M": 158_336, "450M": 234_624, "1.1B": 437_632, "3B": 844_800 } as const;
  for (const name of ["270M", "450M", "1.1B", "3B"] as const) {
    const shapes = parameterShapes(openElmConfig(name, { vocabSize: 32128 })).filter(
      ({ shape }) => shape.length === 2,
    );
    const sides = shapes.map(({ shape }) => (shape[0] as number) + (shape[1] as number));
    expect(sides.reduce((sum, side) => sum + 32 * side, 0)).toBe(counts[name]);
    const rows = shapes
      .filter(({ path }) => !path.includes("embedding"))
      .map(({ shape }) => shape[0] as number);
    expect(rows.reduce((sum, n) => sum + n, 0)).toBe(magnitudes[name]);
  }
});
