import type { CausalLm } from "@corenet/nn";
import { generateText } from "../generate-text.ts";
import type { OnRunEvent } from "./events.ts";
import type { RunResult } from "./result.ts";

const promptBytes = 64;
const temperature = 0.8;

/** Lets the model continue a line of the held-out text, to the end of its context. */
export async function writeSample(
  model: CausalLm,
  heldOut: Uint8Array,
  {
    seed,
    signal,
    onEvent,
  }: { seed: number; signal?: AbortSignal | undefined; onEvent?: OnRunEvent | undefined },
): Promise<RunResult["sample"]> {
  const prompt = promptFrom(heldOut, Math.min(promptBytes, Math.floor(model.contextLength / 2)));
  onEvent?.({ type: "prompt", text: prompt });
  let text = "";
  for await (const piece of generateText(model, { prompt, temperature, seed, ...(signal && { signal }) })) {
    text += piece;
    onEvent?.({ type: "sample", text: piece });
  }
  return { prompt, text };
}

/** At most so many bytes of whole characters, from the first whole line on. */
function promptFrom(block: Uint8Array, most: number): string {
  const lineStart = block.indexOf(0x0a) + 1; // 0 where there is no second line
  const from = block.length - lineStart > most ? lineStart : 0;
  const decoded = new TextDecoder().decode(block.subarray(from, from + most), { stream: true });
  return decoded.replace(/^\uFFFD+/, "") || " ";
}
