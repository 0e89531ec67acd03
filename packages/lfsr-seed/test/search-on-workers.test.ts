// The search on workers, wherever there are any: Node, a page, and a worker in it, isolated or not.

import { startWorker, type WorkerOptions } from "@corenet/core/platform";
import { createSearch, encodeTensor, LfsrMatrix, lfsrMatMul, lfsrWorkerSource } from "@corenet/lfsr-seed";
import { matMul, readData, tensor } from "@corenet/tensor";
import { expect, test } from "vitest";
import { onEveryBackend } from "../../../tools/testing/index.ts";
import { encoderModule } from "../src/search/encoder-module.ts";
import { threadSearch } from "../src/search/thread-search.ts";
import { workerSearch } from "../src/search/worker-search.ts";
import { specGaussian } from "./spec-data.ts";

const weights = specGaussian(51, 64 * 96);

onEveryBackend(() => {
  test("two workers start, share the work, and find the codes of this thread", async () => {
    const module = await encoderModule();
    const tiles = [0, 0];
    const start = (options: WorkerOptions) => {
      const number = Number(options.name.at(-1));
      return startWorker({
        ...options,
        onMessage(message) {
          if ((message as { codes?: ArrayBuffer }).codes) tiles[number] = (tiles[number] ?? 0) + 1;
          options.onMessage?.(message);
        },
      });
    };
    await using search = workerSearch({ module, workers: 2, workerUrl: undefined, start });
    const importance = Float32Array.from({ length: 96 }, (_, i) => 1 + (i % 5));
    for (const options of [{ bits: 4 }, { bits: 3, importance }] as const) {
      const saw = await encodeTensor(weights, [64, 96], { ...options, search });
      expect(saw).toEqual(
        await encodeTensor(weights, [64, 96], { ...options, search: threadSearch(module) }),
      );
    }
    expect(Math.min(...tiles)).toBeGreaterThan(0);
  });

  test("from an address, and where that leads nowhere, from a blob", async () => {
    if (typeof Blob === "undefined" || typeof Worker === "undefined") return; // Node takes the program as text
    const there = URL.createObjectURL(new Blob([lfsrWorkerSource], { type: "text/javascript" }));
    const expected = await encodeTensor(weights, [64, 96], { workers: 0 });
    for (const workerUrl of [there, new URL("/nowhere.js", location.href)]) {
      await using search = await createSearch({ workers: 2, workerUrl });
      expect((await encodeTensor(weights, [64, 96], { search })).codes).toEqual(expected.codes);
    }
    URL.revokeObjectURL(there);
  });

  test("what they coded multiplies", async () => {
    const codes = await encodeTensor(weights, [64, 96], { workers: 2 });
    using matrix = await LfsrMatrix.create(codes);
    const x = tensor(specGaussian(52, 96), [1, 96]);
    const y = await readData(lfsrMatMul(x, matrix));
    const exact = await readData(matMul(x, tensor(weights, [64, 96]), { transposeB: true }));
    const squares = (values: Float32Array) => values.reduce((sum, value) => sum + value * value, 0);
    const miss = squares(y.map((value, i) => value - (exact[i] as number)));
    expect(miss / squares(exact)).toBeLessThan(0.03); // 18 dB
  });
});
