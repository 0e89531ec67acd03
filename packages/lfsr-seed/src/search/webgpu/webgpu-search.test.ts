import process from "node:process";
import { afterAll, describe, expect, test } from "vitest";
import { specGaussian, specHeavyTailed } from "../../../test/spec-data.ts";
import type { BlockSearchOptions } from "../../codec/block-search.ts";
import { lfsrConfig } from "../../codec/config.ts";
import { encoderModule } from "../encoder-module.ts";
import { threadSearch } from "../thread-search.ts";
import { webGpuSearch } from "./webgpu-search.ts";

const specifier = "webgpu"; // brings WebGPU to Node
const { create } = (await import(specifier)) as { create(options: string[]): GPU };
const gpu = create([]);
const adapter = process.env.CORENET_NO_WEBGPU ? null : await gpu.requestAdapter();
const device = await adapter?.requestDevice();
afterAll(() => {
  device?.destroy();
  expect(gpu).toBeDefined(); // a device does not keep the instance that it comes from alive: without it, it crashes
});

const alone = threadSearch(await encoderModule());

describe.skipIf(!device)("on a GPU: the codes of the other searches", async () => {
  const search = await webGpuSearch(device as GPUDevice, { workers: 2 });

  test.each([
    ["4 bits", { bits: 4 }],
    ["twelve weights, four coefficients", { C: 12, P: 4, K: 12 }],
    ["decimated", { C: 8, P: 3, K: 12, decimation: 8 }],
    ["one coefficient", { C: 6, P: 1, K: 11 }],
  ] as const)("%s", async (_, config) => {
    const made = lfsrConfig(config);
    const options: BlockSearchOptions = {
      config: made,
      exponentRule: "best",
      expBias: -13,
      nSeeds: 2 ** made.K - 1,
    };
    const blocks = specHeavyTailed(31, made.C * 40);
    blocks.fill(0, 0, made.C);
    const importance = Float64Array.from(specGaussian(32, made.C), (x) => x * x + 0.01);
    for (const batch of [{ blocks }, { blocks, importance }]) {
      expect(await search.search(batch, options)).toEqual(await alone.search(batch, options));
    }
  });

  test("blocks that nearly every seed may win, below the window", async () => {
    const blocks = specGaussian(33, 8 * 20).map((w) => w * 1e-5);
    const options = {
      config: lfsrConfig({ C: 8, P: 3, K: 12 }),
      exponentRule: "best",
      expBias: -8,
      nSeeds: 4095,
    } as const;
    expect(await search.search({ blocks }, options)).toEqual(await alone.search({ blocks }, options));
  });

  test("decided on the calling thread", async () => {
    const config = lfsrConfig({ C: 8, P: 3, K: 10 });
    const options = { config, exponentRule: "fit", expBias: -13, nSeeds: 1000 } as const;
    await using here = await webGpuSearch(device as GPUDevice, { workers: 0 });
    const blocks = specHeavyTailed(37, 8 * 600);
    expect(await here.search({ blocks }, options)).toEqual(await alone.search({ blocks }, options));
  });

  test("batch after batch, several on their way, and two searches at once", async () => {
    const options = {
      config: lfsrConfig({ C: 6, P: 2, K: 10 }),
      exponentRule: "best",
      expBias: -13,
      nSeeds: 1023,
    } as const;
    const blocks = specHeavyTailed(34, 6 * (3 * 4096 + 700)); // more batches than slots
    blocks.fill(1e-9, 6 * 5000, 6 * 5040); // and some that all seeds may win
    const other = { ...options, config: lfsrConfig({ C: 5, P: 1, K: 10 }) };
    const [first, second] = await Promise.all([
      search.search({ blocks }, options),
      search.search({ blocks: blocks.slice(0, 5 * 4200) }, other),
    ]);
    expect(first).toEqual(await alone.search({ blocks }, options));
    expect(second).toEqual(await alone.search({ blocks: blocks.slice(0, 5 * 4200) }, other));
  });

  test("stops when told to, before and in the middle, and goes on after that; disposed twice", async () => {
    const options = { config: lfsrConfig(), exponentRule: "best", expBias: -13, nSeeds: 65535 } as const;
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(search.search({ blocks: new Float32Array(8) }, { ...options, signal })).rejects.toThrow(
      "enough",
    );
    const controller = new AbortController();
    const running = search.search(
      { blocks: specGaussian(35, 8 * 64) },
      { ...options, signal: controller.signal },
    );
    setTimeout(() => controller.abort(new Error("now")), 50);
    await expect(running).rejects.toThrow("now");
    const small = { ...options, config: lfsrConfig({ C: 6, P: 2, K: 10 }), nSeeds: 1023 };
    const blocks = specGaussian(36, 6 * 50);
    expect(await search.search({ blocks }, small)).toEqual(await alone.search({ blocks }, small));
    await search.dispose();
    await search.dispose();
  });
});
