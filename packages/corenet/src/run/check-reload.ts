import { CheckpointError } from "@corenet/core";
import type { CausalLm } from "@corenet/nn";
import { loadOpenElm } from "@corenet/openelm";
import { takeData, tensor } from "@corenet/tensor";

/**
 * Loads a saved model and compares its logits with those of the model that was saved, bit for bit.
 *
 * @param text - what to compute logits of, cut to the model's context
 * @throws CheckpointError when a logit differs, or the folder does not hold an OpenELM
 */
export async function checkReload(model: CausalLm, folder: string, text: Uint8Array): Promise<void> {
  const ids = Int32Array.from(text.subarray(0, model.contextLength));
  using loaded = await loadOpenElm(folder);
  const [before, after] = [await logitsOf(model, ids), await logitsOf(loaded, ids)];
  const bits = (values: Float32Array) => new Uint32Array(values.buffer, values.byteOffset, values.length);
  const [saved, reloaded] = [bits(before), bits(after)];
  const at = saved.findIndex((word, i) => word !== reloaded[i]);
  if (at < 0 && saved.length === reloaded.length) return;
  throw new CheckpointError(
    `checkReload: logit ${at} of the model in ${folder} is ${after[at]}, expected ${before[at]} as before it was saved. ` +
      "Is another program writing into this folder?",
    { path: folder },
  );
}

async function logitsOf(model: CausalLm, ids: Int32Array): Promise<Float32Array> {
  const tokens = tensor(ids, [1, ids.length], "int32");
  try {
    return await takeData(model.forward(tokens));
  } finally {
    tokens.dispose();
  }
}
