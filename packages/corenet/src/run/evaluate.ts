import type { CausalLm } from "@corenet/nn";
import { bitsPerByte } from "../text/bits-per-byte.ts";
import { compressedBits } from "../text/compressed-bits.ts";
import { pickEvenly } from "../text/pick-evenly.ts";
import type { OnRunEvent } from "./events.ts";
import type { RunResult } from "./result.ts";

const mostBlocks = 24; // of a long text: these take some seconds

/** Of a long text at most 24 blocks, evenly spread. */
export function evaluatedBlocks(heldOut: readonly Uint8Array[]): Uint8Array[] {
  return pickEvenly(heldOut, mostBlocks);
}

/** Bits per byte of the model and of compressors on the same held-out text: at most 24 blocks, evenly spread. */
export async function evaluate(
  model: CausalLm,
  heldOut: readonly Uint8Array[],
  { signal, onEvent }: { signal?: AbortSignal | undefined; onEvent?: OnRunEvent | undefined },
): Promise<RunResult["heldOut"]> {
  const blocks = evaluatedBlocks(heldOut);
  const bytes = blocks.reduce((sum, { length }) => sum + length, 0);
  onEvent?.({ type: "evaluate", bytes });
  return { bytes, model: await bitsPerByte(model, blocks, { signal }), ...compressedBits(blocks) };
}
