import { cpu } from "@corenet/backend-cpu";
import { wasm } from "@corenet/backend-wasm";
import { webgpu } from "@corenet/backend-webgpu";
import { type Backend, useBackend } from "@corenet/tensor";
import { engine } from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, beforeEach, describe } from "vitest";
import { currentTurn } from "./turn.ts";

const turn = currentTurn();

/** Their factories, for tests that start them by hand. */
export const backends = { cpu, wasm: () => wasm(turn.wasm), webgpu };
export type BackendName = keyof typeof backends;

/** Whether the suites of a backend run here. */
export function isSelected(name: string): boolean {
  return !turn.backends || turn.backends.includes(name);
}

if (turn.wasm) await backends.wasm().start(); // a realm has one heap: whoever starts wasm later gets this one

async function start(name: BackendName): Promise<void> {
  const wanted: readonly Backend[] = turn.noSimd && name === "cpu" ? [wasm(), cpu()] : [backends[name]()];
  const started = await useBackend(...wanted);
  if (started.name === name) return;
  throw new Error(
    `onBackend: ${started.name} started, expected ${name}: this engine has SIMD. Run it without.`,
  );
}

/** Whether this machine has WebGPU; `find-gpu.ts` says once why not. */
export const hasWebGpu = !globalThis.process?.env.CORENET_NO_WEBGPU;

// In Node the GPU is a program on the processor: what a property costs there is bounded. The limit is far above what
// one run takes on a busy machine, since a property that was interrupted before its first run has failed.
const webgpuProperties = { numRuns: 6, interruptAfterTimeLimit: 20_000 };

await useBackend(cpu()); // for the tensors that a file makes outside its tests; they move when first used

/**
 * Declares the suite once for each backend. Each test runs in a memory scope of its own: what it makes is freed
 * after it, unless it was given to `keep`.
 */
export function onEveryBackend(suite: (backend: BackendName) => void): void {
  for (const name of Object.keys(backends) as BackendName[]) onBackend(name, suite);
}

/** The same for one backend. */
export function onBackend(name: BackendName, suite: (backend: BackendName) => void): void {
  if (!isSelected(name)) return;
  describe.skipIf(name === "webgpu" && !hasWebGpu)(name, () => {
    beforeAll(async () => {
      await start(name);
      if (name === "webgpu") fc.configureGlobal(webgpuProperties);
    });
    afterAll(() => fc.resetConfigureGlobal());
    // One test runs at a time, and every scope that the code under test opens is closed before it awaits.
    beforeEach(() => engine().startScope("test"));
    afterEach(() => engine().endScope());
    suite(name);
  });
}
