import { type Backend, useBackend } from "@corenet/tensor";
import { type BackendName, backendNames } from "./messages.ts";

/** Each is imported where it is asked for. */
const makers: Record<BackendName, () => Promise<Backend>> = {
  wasm: async () => (await import("@corenet/backend-wasm")).wasm(),
  webgpu: async () => (await import("@corenet/backend-webgpu")).webgpu(),
  cpu: async () => (await import("@corenet/backend-cpu")).cpu(),
};

/**
 * Starts the wished backend, or else the next that starts.
 *
 * @returns why each before it did not
 * @throws Error with all reasons, when none starts
 */
export async function startBackend(wished: BackendName): Promise<string[]> {
  const reasons: string[] = [];
  for (const name of [wished, ...backendNames.filter((other) => other !== wished)]) {
    try {
      await useBackend(await makers[name]());
      return reasons;
    } catch (error) {
      reasons.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new Error(`No backend starts here. ${reasons.join(" ")}`);
}
