import { wasm } from "@corenet/backend-wasm";
import { useBackend } from "@corenet/tensor";
import type { Bench } from "../../../tools/bench/harness.ts";
import { stepMemory } from "./step-memory.ts";
import { WORKLOADS, type WorkloadName } from "./training.ts";

const FROZEN: Readonly<Record<string, readonly string[]>> = {
  "nothing frozen": [],
  "the embedding frozen": ["token_embeddings"],
  "the embedding and the lower half frozen": ["token_embeddings", "layers.0-1"],
};

const bench: Bench = {
  name: "frozen",
  description:
    "What a training step with AdamW takes of wasm's heap when layers are frozen, in OpenELMs of 4 layers: the same in every run.",

  async run({ record }) {
    await useBackend(wasm({ threads: 1 }));
    for (const name of ["845 k"] satisfies WorkloadName[]) {
      for (const [title, frozen] of Object.entries(FROZEN)) {
        const { state, gradients, saved, peak } = await stepMemory(WORKLOADS[name], {
          checkpointLayers: false,
          frozen,
        });
        record(`${name}, ${title}: weights and moments that are trained (MB)`, state / 1e6);
        record(`${name}, ${title}: gradients (MB)`, gradients / 1e6);
        record(`${name}, ${title}: kept for the way back (MB)`, saved / 1e6);
        record(`${name}, ${title}: peak (MB)`, peak / 1e6);
      }
    }
  },
};

export default bench;
