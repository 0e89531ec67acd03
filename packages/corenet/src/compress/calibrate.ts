import { readFile } from "node:fs/promises";
import type { OnProgress } from "@corenet/core";
import { openCheckpoint } from "@corenet/formats";
import { observeInputs } from "@corenet/lfsr-seed";
import { scoreText } from "@corenet/nn";
import { openLanguageModel } from "../model/open-language-model.ts";

export interface Calibration {
  /** The mean square of each input feature of a matrix, by the name of its tensor in the checkpoint. */
  readonly importance: ReadonlyMap<string, Float32Array>;
  /** Tokens that the model read. */
  readonly tokens: number;
}

/**
 * Runs a model on a text, and measures what its matrices are multiplied with. Needs a backend.
 *
 * @param source - the folder of the model
 * @param text - a file; some thousand tokens of what the model will read are enough
 * @throws as `openLanguageModel` and `scoreText`
 */
export async function calibrate(
  source: string,
  text: string,
  options: { tokenizer?: string | undefined; signal: AbortSignal; onProgress?: OnProgress },
): Promise<Calibration> {
  const names = await tensorNames(source);
  using opened = await openLanguageModel(source, options);
  const { model, tokenizer } = opened;
  using observed = observeInputs(model.params);
  const content = await readFile(text, "utf8");
  const { tokens } = await scoreText(model.withParams(observed.params), tokenizer, content, options);
  const importance = new Map<string, Float32Array>();
  for (const [path, squares] of await observed.meanSquares()) {
    const name = names.find((one) => one === path || one.endsWith(`.${path}`));
    if (name !== undefined) importance.set(name, squares);
  }
  return { importance, tokens };
}

async function tensorNames(source: string): Promise<string[]> {
  const checkpoint = await openCheckpoint(source);
  await checkpoint.close();
  return [...checkpoint.tensors.keys()];
}
