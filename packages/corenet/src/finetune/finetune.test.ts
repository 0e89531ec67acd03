import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Rng } from "@corenet/core";
import { byteTokenizer, fileSource, openSafetensors } from "@corenet/formats";
import { createOpenElm, loadOpenElm, type OpenElm, openElmConfig, saveOpenElm } from "@corenet/openelm";
import {
  disposeTree,
  isTensor,
  memory,
  type ParamTree,
  readData,
  type Tensor,
  treeEntries,
} from "@corenet/tensor";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { onBackend } from "../../../../tools/testing/index.ts";
import { answerBatches } from "./answer-batches.ts";
import { answerRows } from "./answer-rows.ts";
import { finetuneLora } from "./finetune-lora.ts";
import { finetuneWeights } from "./finetune-weights.ts";
import { saveTunedWeights } from "./save-tuned.ts";
import { answerLoss } from "./teacher.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "corenet-finetune-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const tokenizer = byteTokenizer();
const config = openElmConfig({
  ...{ vocabSize: 256, contextLength: 48, numLayers: 3, modelDim: 32, headDim: 8, groupSize: 2 },
  ...{ qkvMultipliers: [0.5, 1], ffnMultipliers: [0.5, 2], ffnDivisor: 8 },
});
const create = (seed: number): Promise<OpenElm> => createOpenElm(config, { rng: new Rng(seed) });
const examples = Array.from({ length: 9 }, (_, i) => ({
  prompt: `${i} is `,
  answer: "small".slice(0, 1 + (i % 5)),
}));
const batchedAt = async (rows: Parameters<typeof answerBatches>[0]) =>
  answerBatches(rows, { batchSize: rows.length, contextLength: 48, rng: new Rng(1) }).next();

onBackend("wasm", () => {
  describe("packed", () => {
    test("all examples at once have the loss that they have in rows of their own", async () => {
      using model = await create(1);
      const [alone, packed] = [false, true].map((pack) =>
        answerRows(examples, tokenizer, { contextLength: 48, pack }),
      );
      expect(packed?.rows.length).toBe(2);
      expect(packed?.fillRate).toBeGreaterThan(4 * (alone?.fillRate ?? 1));
      const loss = async (rows = alone?.rows ?? []) => answerLoss(model, await batchedAt(rows));
      await expect(await loss(packed?.rows)).toBeAllClose(await loss(), { atol: 1e-5 });
    });

    test("trains, and goes on where it was", async () => {
      using model = await create(1);
      const options = { steps: 6, batchSize: 1, learningRate: 0.01, pack: true, rank: 2 };
      const whole = await finetuneLora(model, tokenizer, examples, options);
      const checkpoint = { folder: join(folder, "packed"), everySteps: 1 };
      const controller = new AbortController();
      const stopped = finetuneLora(model, tokenizer, examples, {
        ...{ ...options, checkpoint, signal: controller.signal },
        onStep: (step) => step === 2 && controller.abort(),
      });
      await expect(stopped).rejects.toThrow("abort");
      const resumed = await finetuneLora(model, tokenizer, examples, { ...options, checkpoint });
      expect(resumed.history.map(({ loss }) => loss)).toEqual(whole.history.map(({ loss }) => loss));
      expect(whole.history.at(-1)?.loss).toBeLessThan(whole.history[0]?.loss ?? 0);
    });
  });

  describe("frozen", () => {
    const frozen = ["token_embeddings", "layers.0-1"];
    const isFrozen = (path: string) => /^token_embeddings|^layers\.[01]\./.test(path);

    test("weights are the same to the bit in what is saved, and have no moments; the others are not", async () => {
      using model = await create(1);
      await saveOpenElm(model, join(folder, "base"), { dtype: "bfloat16" });
      using loaded = await loadOpenElm(join(folder, "base"), { storage: "as-is" });
      const out = join(folder, "tuned");
      const checkpoint = { folder: join(out, "checkpoints"), everySteps: 1 };
      const options = { steps: 2, learningRate: 0.01, frozen, checkpoint };
      const language = { model: loaded, tokenizer, [Symbol.dispose]: () => {} };
      const { model: saved } = await saveTunedWeights(language, examples, out, options);
      using tuned = await loadOpenElm(saved as string);
      using widened = await loadOpenElm(join(folder, "base"), { storage: "f32" });
      const before = new Map(treeEntries(widened.params as ParamTree));
      for (const [path, leaf] of treeEntries(tuned.params as ParamTree)) {
        const [a, b] = await Promise.all([leaf, before.get(path)].map((x) => readData(x as Tensor)));
        const equal = expect(a, path);
        isFrozen(path) ? equal.toEqual(b) : equal.not.toEqual(b);
      }
      const newest = readdirSync(checkpoint.folder).sort().at(-1) as string;
      const file = await openSafetensors(await fileSource(join(checkpoint.folder, newest)));
      const names = [...file.tensors.keys()];
      await file.close();
      expect(names.some((name) => name.includes("layers.2."))).toBe(true);
      expect(names.filter((name) => name.includes("layers.0.") || name.includes("token_embeddings"))).toEqual(
        [],
      );
    });

    test("may stay packed, and take less memory while they train the rest", async () => {
      using model = await create(1);
      const peaks: number[] = [];
      for (const names of [[], frozen]) {
        const { numBytes } = memory();
        let peak = 0;
        const { weights } = await finetuneWeights(model, tokenizer, examples, {
          ...{ steps: 2, frozen: names },
          onStep: () => {
            peak = Math.max(peak, memory().numBytes - numBytes);
          },
        });
        disposeTree(weights);
        peaks.push(peak);
      }
      expect(peaks[1]).toBeLessThan(0.6 * (peaks[0] as number)); // of weights, moments and what is between

      await saveOpenElm(model, join(folder, "half"), { dtype: "float16" });
      using half = await loadOpenElm(join(folder, "half"), { storage: "as-is" });
      const tuned = await finetuneWeights(half, tokenizer, examples, { steps: 1, frozen });
      expect(isTensor(tuned.model.params.token_embeddings.weight)).toBe(false);
      expect(
        Object.keys(tuned.weights).every((path) => path.startsWith("layers.2.") || path === "norm.weight"),
      ).toBe(true);
      disposeTree(tuned.weights);
    });

    test("layers get no adapters", async () => {
      using model = await create(1);
      const { lora } = await finetuneLora(model, tokenizer, examples, {
        steps: 1,
        rank: 2,
        frozen: ["layers.0-1"],
      });
      expect(Object.keys(lora).every((path) => path.startsWith("layers.2."))).toBe(true);
    });

    test("names must be there, and leave something", async () => {
      using model = await create(1);
      const freeze = (...frozen: string[]) =>
        finetuneWeights(model, tokenizer, examples, { steps: 1, frozen });
      await expect(freeze("layers.7")).rejects.toThrow('finetune: nothing is named "layers.7"');
      await expect(freeze("*")).rejects.toThrow("all weights are frozen by *, expected something to train");
    });
  });

  describe("taught", () => {
    test("a student nears its teacher, and a file of all logits is the teacher to rounding", async () => {
      using student = await create(1);
      using teacher = await create(2);
      const options = { steps: 12, learningRate: 0.02, batchSize: 3, pack: true, rank: 4 };
      const teach = { model: teacher, alpha: 1, temperature: 1 };
      const live = await finetuneLora(student, tokenizer, examples, { ...options, teacher: teach });
      const file = join(folder, "teacher.safetensors");
      const cache = { file, topK: 256 };
      const kept = await finetuneLora(student, tokenizer, examples, {
        ...options,
        teacher: { ...teach, cache },
      });
      const [first, last] = [live.history[0]?.loss ?? 0, live.history.at(-1)?.loss ?? 0];
      expect(last).toBeLessThan(0.9 * first);
      for (const [i, { loss }] of kept.history.entries())
        expect(loss).toBeCloseTo(live.history[i]?.loss ?? 0, 3);
      const { mtimeMs } = statSync(file);
      await finetuneLora(student, tokenizer, examples, {
        ...options,
        steps: 1,
        teacher: { ...teach, cache },
      });
      expect(statSync(file).mtimeMs).toBe(mtimeMs); // asked once
    });

    test("by a model of another vocabulary is refused", async () => {
      using student = await create(1);
      using other = await createOpenElm({ ...config, vocabSize: 300 }, { rng: new Rng(1) });
      const tuning = finetuneLora(student, tokenizer, examples, { steps: 1, teacher: { model: other } });
      await expect(tuning).rejects.toThrow(
        "the teacher has 300 words and the student 256, expected one vocabulary",
      );
    });
  });

  test("frees what it made", async () => {
    using model = await create(1);
    using teacher = await create(2);
    const before = memory().numTensors;
    const { weights } = await finetuneWeights(model, tokenizer, examples, {
      ...{ steps: 2, frozen: ["layers.0"], pack: true, teacher: { model: teacher } },
    });
    disposeTree(weights);
    expect(memory().numTensors).toBe(before);
  });
});
