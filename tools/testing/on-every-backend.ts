import { cpu } from "@corenet/backend-cpu";
import { wasm } from "@corenet/backend-wasm";
import { useBackend } from "@corenet/tensor";
import { engine } from "@tensorflow/tfjs-core";
import { afterEach, beforeAll, beforeEach, describe } from "vitest";

/** Their factories, for tests that start them by hand. */
export const backends = { cpu, wasm };
export type BackendName = keyof typeof backends;

/** Set by a page that runs the suites on some backends only. */
const selected = (globalThis as { corenetTestBackends?: readonly string[] }).corenetTestBackends;

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
  if (selected && !selected.includes(name)) return;
  describe(name, () => {
    beforeAll(async () => {
      await useBackend(backends[name]());
    });
    // One test runs at a time, and every scope that the code under test opens is closed before it awaits.
    beforeEach(() => engine().startScope("test"));
    afterEach(() => engine().endScope());
    suite(name);
  });
}
