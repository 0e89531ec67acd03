import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Rng } from "@corenet/core";
import { constantSchedule, latestCheckpoint, listCheckpoints, train } from "@corenet/train";
import { expect, test } from "vitest";
import { onBackend } from "../../../tools/testing/index.ts";
import { bitsOf, toyBatches, toyLoss, toyParams } from "./toy.ts";

const script = fileURLToPath(new URL("./killed-run.ts", import.meta.url));

/** Starts the run and kills it, without a warning, soon after it has made `steps` more steps. */
async function killAfter(folder: string, steps: number): Promise<void> {
  const child = spawn(process.execPath, ["--conditions=@corenet/source", script, folder], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  let seen = 0;
  for await (const _ of createInterface({ input: child.stdout })) {
    seen += 1;
    if (seen === steps) break;
  }
  await new Promise((resolve) => setTimeout(resolve, steps % 3)); // somewhere inside a step or a write
  child.kill("SIGKILL");
  await ended;
  expect(seen).toBe(steps);
}

onBackend("wasm", () => {
  test("a process that is killed again and again ends at the same bits as one that is not", async () => {
    const folder = await mkdtemp(join(tmpdir(), "train-kill-"));
    try {
      for (const steps of [4, 7, 5]) await killAfter(folder, steps);
      const steps = ((await listCheckpoints(folder)).at(-1)?.step as number) + 3;
      expect(steps).toBeGreaterThanOrEqual(16);
      const options = {
        params: toyParams(),
        loss: toyLoss,
        schedule: constantSchedule({ learningRate: 0.01 }),
        steps,
        rng: new Rng("killed"),
      };
      const resumed = await train({ ...options, batches: toyBatches(), checkpoint: { folder } });
      const whole = await train({ ...options, batches: toyBatches() });
      expect(await bitsOf(resumed.params)).toEqual(await bitsOf(whole.params));
      expect(resumed.history).toEqual(whole.history);
      expect((await latestCheckpoint(folder))?.optimizer.step).toBe(steps);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
