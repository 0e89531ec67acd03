import { Worker } from "node:worker_threads";
import { createSampler, Rng, variableBatchScales } from "@corenet/multiscale-sampler";
import { expect, test } from "vitest";

test("a worker plans what its parent plans, from the seed alone", async () => {
  const program = `(async () => {
    const { createSampler, Rng, variableBatchScales } = await import("@corenet/multiscale-sampler");
    const scales = variableBatchScales({ baseSize: 224, baseBatch: 8 });
    const sampler = createSampler({ samples: 300, scales, random: new Rng("both") });
    require("node:worker_threads").parentPort.postMessage([...sampler.epoch(4)]);
  })()`;
  const worker = new Worker(program, { eval: true });
  const planned = await new Promise((resolve, reject) => {
    worker.once("message", resolve).once("error", reject);
  });
  const scales = variableBatchScales({ baseSize: 224, baseBatch: 8 });
  expect(planned).toEqual([...createSampler({ samples: 300, scales, random: new Rng("both") }).epoch(4)]);
});
