import "node:process"; // the program of its workers is for Node, and so is this file
import { startWorker, type WorkerHandle, type WorkerOptions } from "@corenet/core/platform";
import { expect, test } from "vitest";
import { specGaussian } from "../../test/spec-data.ts";
import type { BlockSearchOptions } from "../codec/block-search.ts";
import { lfsrConfig } from "../codec/config.ts";
import { createSearch } from "./create-search.ts";
import { encoderModule } from "./encoder-module.ts";
import { threadSearch } from "./thread-search.ts";
import { workerSearch } from "./worker-search.ts";

const module = await encoderModule();
const config = lfsrConfig({ bits: 4 });
const options: BlockSearchOptions = { config, exponentRule: "best", expBias: -13, nSeeds: 65535 };
const blocks = specGaussian(21, 8 * 1500);

/** Starts workers and remembers them; `alive` counts those that have not ended. */
function watchedWorkers() {
  const handles: WorkerHandle[] = [];
  const ended = new Set<WorkerHandle>();
  const start = (workerOptions: WorkerOptions) => {
    const worker = startWorker(workerOptions);
    if (!worker) return undefined;
    const handle = {
      send: worker.send,
      async terminate() {
        await worker.terminate();
        ended.add(handle);
      },
    };
    handles.push(handle);
    return handle;
  };
  return { start, handles, alive: () => handles.length - ended.size };
}

test("one worker, three and none find the same codes, also with odd batches and importance", async () => {
  const importance = Float64Array.from({ length: 8 }, (_, c) => 1 + c);
  const expected = await threadSearch(module).search({ blocks, importance }, options);
  for (const workers of [0, 1, 3]) {
    await using search = await createSearch({ workers });
    expect(await search.search({ blocks, importance }, options)).toEqual(expected);
    const part = await search.search({ blocks: blocks.slice(8 * 700, 8 * 1007), importance }, options);
    expect(part.seeds).toEqual(expected.seeds.slice(700, 1007));
  }
});

test("two searches at once share the workers", async () => {
  await using search = workerSearch({ module, workers: 2, workerUrl: undefined });
  const [first, second] = await Promise.all([
    search.search({ blocks: blocks.slice(0, 8 * 600) }, options),
    search.search({ blocks: blocks.slice(8 * 600) }, { ...options, exponentRule: "fit" }),
  ]);
  const alone = threadSearch(module);
  expect(first).toEqual(await alone.search({ blocks: blocks.slice(0, 8 * 600) }, options));
  expect(second).toEqual(
    await alone.search({ blocks: blocks.slice(8 * 600) }, { ...options, exponentRule: "fit" }),
  );
});

test("abort ends at once, leaves no worker alive, and a later search starts new ones", async () => {
  const workers = watchedWorkers();
  await using search = workerSearch({ module, workers: 2, workerUrl: undefined, start: workers.start });
  const long = { blocks: specGaussian(22, 8 * 60_000) };
  const controller = new AbortController();
  const searching = search.search(long, { ...options, signal: controller.signal });
  let abortedAt = 0;
  setTimeout(() => {
    abortedAt = performance.now();
    controller.abort(new Error("enough"));
  }, 300);
  await expect(searching).rejects.toThrow("enough");
  expect(performance.now() - abortedAt).toBeLessThan(2000); // a second for a busy machine; the whole takes half a minute
  expect(workers.handles).toHaveLength(2);
  expect(workers.alive()).toBe(0);

  const short = { blocks: blocks.slice(0, 8 * 40) };
  expect(await search.search(short, options)).toEqual(await threadSearch(module).search(short, options));
  expect(workers.handles).toHaveLength(4);
});

test.each([0, 10, 150])("aborting one of two searches after %i ms lets the other finish", async (ms) => {
  await using search = workerSearch({ module, workers: 2, workerUrl: undefined });
  const controller = new AbortController();
  const dropped = search.search(
    { blocks: specGaussian(24, 8 * 80_000) }, // a second's work for two fast workers
    { ...options, signal: controller.signal },
  );
  const kept = search.search({ blocks: blocks.slice(0, 8 * 300) }, options);
  setTimeout(() => controller.abort(new Error("enough")), ms);
  await expect(dropped).rejects.toThrow("enough");
  expect(await kept).toEqual(
    await threadSearch(module).search({ blocks: blocks.slice(0, 8 * 300) }, options),
  );
});

test("an aborted signal starts nothing", async () => {
  const workers = watchedWorkers();
  const search = workerSearch({ module, workers: 2, workerUrl: undefined, start: workers.start });
  const searching = search.search({ blocks }, { ...options, signal: AbortSignal.abort(new Error("before")) });
  await expect(searching).rejects.toThrow("before");
  expect(workers.handles).toHaveLength(0);
});

test("a worker that dies is named, and the others end", async () => {
  const workers = watchedWorkers();
  const dying =
    "; let done = 0; const code = encode; encode = (tile) => (done++ > 5 ? process.exit(3) : code(tile));";
  const start = (workerOptions: WorkerOptions) => {
    const isSecond = workerOptions.name.endsWith("1");
    return workers.start({ ...workerOptions, source: workerOptions.source + (isSecond ? dying : "") });
  };
  const search = workerSearch({ module, workers: 2, workerUrl: undefined, start });
  const searching = search.search({ blocks: specGaussian(23, 8 * 20_000) }, options);
  const error = await searching.catch((reason: unknown) => reason);
  expect(error).toMatchObject({ name: "BackendError" });
  expect(String(error)).toMatch(
    /worker 1 of 2 failed \(it ended with exit code 3\) with \d+ tiles to code\. Encode/,
  );
  expect(workers.alive()).toBe(0);
});

test("a worker that throws is named too", async () => {
  const search = workerSearch({
    module,
    workers: 1,
    workerUrl: undefined,
    start: (workerOptions) =>
      startWorker({
        ...workerOptions,
        source: `${workerOptions.source}; encode = () => { throw new Error("broken"); };`,
      }),
  });
  await expect(search.search({ blocks }, options)).rejects.toThrow("worker 0 of 1 failed (broken)");
});

test("where there are no workers, or they cannot start, this thread searches", async () => {
  const batch = { blocks: blocks.slice(0, 8 * 40) };
  const expected = await threadSearch(module).search(batch, options);
  const none = workerSearch({ module, workers: 2, workerUrl: undefined, start: () => undefined });
  expect(await none.search(batch, options)).toEqual(expected);
  const refused = workerSearch({
    module,
    workers: 2,
    workerUrl: "https://example.com/worker.js",
    start({ onFailure }) {
      setTimeout(() => onFailure("it could not be started"), 5);
      return { send: () => {}, terminate: () => Promise.resolve() };
    },
  });
  expect(await refused.search(batch, options)).toEqual(expected);
});

test("refuses a number of workers that is none", async () => {
  await expect(createSearch({ workers: -1 })).rejects.toThrow(
    "workers is -1, expected an integer in [0, 256]",
  );
});
