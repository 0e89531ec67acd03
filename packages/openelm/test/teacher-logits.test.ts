// What a teacher says, kept in a file, teaches as the teacher itself.
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { distillationLoss } from "@corenet/nn";
import {
  cacheTeacherLogits,
  openTeacherLogits,
  type PackedSample,
  packDocuments,
  type TextSample,
} from "@corenet/openelm";
import { type Tensor2D, type TensorTree, takeData, tensor, treeEntries, valueAndGrad } from "@corenet/tensor";
import { afterAll, beforeAll, expect, test } from "vitest";
import { onBackend, onEveryBackend } from "../../../tools/testing/index.ts";
import { createEdge } from "./models.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "corenet-teacher-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const ignoreId = -100;
const V = 13;
const samples: TextSample[] = Array.from({ length: 70 }, (_, i) => {
  const ids = Int32Array.from({ length: 4 + (i % 9) }, (_, t) => (5 * i + 3 * t * t) % V);
  return { tokens: ids.slice(0, -1), targets: ids.slice(1).fill(ignoreId, 0, i % 3) };
});
const { rows } = packDocuments(samples.slice(0, 4), { contextLength: 12, ignoreId });

onEveryBackend((backend) => {
  test("read back, all of them teach as the teacher does", async () => {
    using student = await createEdge("one layer", 1);
    using teacher = await createEdge("multi-head (g = 1)", 2);
    const file = join(folder, `${backend}-rows.safetensors`);
    await cacheTeacherLogits(teacher, rows, file, { topK: V });
    const cached = await openTeacherLogits(file, rows);
    for (const [index, row] of rows.entries()) {
      const T = row.tokens.length;
      const tokens = tensor(row.tokens, [1, T]) as Tensor2D;
      const targets = tensor(row.targets, [1, T]);
      const reading = { documents: [row.documents] };
      const { logits, ids } = await cached.read(index);
      const top = { logits: tensor(logits, [1, T, V]), ids: tensor(ids, [1, T, V]) };
      const gradients = [teacher.forward(tokens, reading), top].map((taught) =>
        valueAndGrad(
          (p: TensorTree) =>
            distillationLoss(student.withParams(p).forward(tokens, reading), taught, targets),
          student.params as TensorTree,
        ),
      );
      const [live, kept] = gradients as [(typeof gradients)[0], (typeof gradients)[0]];
      await expect(kept.value).toBeAllClose(live.value, { atol: 1e-6 });
      const expected = new Map(treeEntries(live.grads));
      for (const [path, gradient] of treeEntries(kept.grads)) {
        await expect(gradient, path).toBeAllClose(expected.get(path) as Tensor2D, { atol: 1e-6, rtol: 1e-4 });
      }
    }
    await cached.close();
  });
});

onBackend("wasm", () => {
  test("the largest of each place, over several blocks of the file, 8 bytes for each", async () => {
    using teacher = await createEdge("one layer", 3);
    const file = join(folder, "largest.safetensors");
    const seen: number[] = [];
    await cacheTeacherLogits(teacher, samples, file, { topK: 3, onProgress: ({ done }) => seen.push(done) });
    expect(seen.at(-1)).toBe(samples.length);
    const places = samples.flatMap(({ targets }) => [...targets]).filter((id) => id !== ignoreId).length;
    expect(statSync(file).size).toBeLessThan(places * 3 * 8 + 1024);
    const cached = await openTeacherLogits(file, samples);
    expect(cached.topK).toBe(3);
    for (const index of [0, 5, 63, 64, 69]) {
      const { tokens, targets } = samples[index] as TextSample;
      const T = tokens.length;
      const all = await takeData(teacher.forward(tensor(tokens, [1, T]) as Tensor2D));
      const { logits, ids } = await cached.read(index);
      for (let t = 0; t < T; t++) {
        const row = Array.from(all.subarray(t * V, (t + 1) * V), (logit, id) => ({ logit, id }));
        const best = row
          .sort((a, b) => b.logit - a.logit)
          .slice(0, 3)
          .sort((a, b) => a.id - b.id);
        const isAsked = targets[t] !== ignoreId;
        expect([...ids.subarray(3 * t, 3 * t + 3)]).toEqual(isAsked ? best.map(({ id }) => id) : [0, 0, 0]);
        expect([...logits.subarray(3 * t, 3 * t + 3)]).toEqual(
          isAsked ? best.map(({ logit }) => logit) : [0, 0, 0],
        );
      }
    }
    await expect(cached.read(70)).rejects.toThrow("there is no sample 70, expected 0 to 69.");
    await cached.close();
  });

  test("a file of other samples is refused, and so is another packing", async () => {
    using teacher = await createEdge("one layer", 3);
    const file = join(folder, "other.safetensors");
    await cacheTeacherLogits(teacher, rows, file, { topK: 2 });
    const moved = rows.map((row): PackedSample => ({ ...row, documents: [0] }));
    for (const others of [rows.slice(1), moved]) {
      await expect(openTeacherLogits(file, others)).rejects.toThrow(
        "is of other samples. Delete it, or ask the teacher again.",
      );
    }
    await expect(openTeacherLogits(file, rows, { ignoreId: 0 })).rejects.toThrow("other samples");
    await expect(cacheTeacherLogits(teacher, rows, file, { topK: 14 })).rejects.toThrow(
      "topK is 14, expected an integer from 1 to the vocabulary's 13.",
    );
  });

  test("an abort leaves no file", async () => {
    using teacher = await createEdge("one layer", 3);
    const controller = new AbortController();
    const file = join(folder, "aborted.safetensors");
    const asking = cacheTeacherLogits(teacher, samples, file, {
      signal: controller.signal,
      onProgress: () => controller.abort(),
    });
    await expect(asking).rejects.toThrow("abort");
    expect(() => statSync(file)).toThrow("ENOENT");
  });
});
