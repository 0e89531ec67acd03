// The most memory that loading takes, beside what the model keeps.
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const program = fileURLToPath(new URL("load-in-child.ts", import.meta.url));

test.skipIf(process.platform !== "linux").each(["f32", "f16", "bf16", "int8", "int4"])(
  "a model of 270M's shape takes at most 1.15 times its size in %s",
  async (storage) => {
    const args = ["--conditions=@corenet/source", program, storage];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    const { peakBytes, packedBytes } = JSON.parse(stdout) as { peakBytes: number; packedBytes: number };
    expect(peakBytes / packedBytes).toBeGreaterThan(0.9); // it is held, all of it
    expect(peakBytes / packedBytes).toBeLessThan(1.15);
  },
  120_000,
);
