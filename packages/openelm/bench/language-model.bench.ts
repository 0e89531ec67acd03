import { wasm } from "@corenet/backend-wasm";
import { generate, logLikelihoods } from "@corenet/nn";
import { takeData, tensor, useBackend } from "@corenet/tensor";
import type { Bench } from "../../../tools/bench/harness.ts";
import { createRandomModel } from "./random-model.ts";

const NEW_TOKENS = 24;
const CONTEXT = Array.from({ length: 128 }, (_, i) => 3 + ((i * 7919) % 31000));
const CHOICES = Array.from({ length: 4 }, (_, i) => Array.from({ length: 8 }, (_, j) => 5 + i * 97 + j * 13));

const bench: Bench = {
  name: "language-model",
  description:
    "What is around the model, on OpenELM-270M's shape in int8: generate against bare passes of the model that read their " +
    `logits, ${NEW_TOKENS} tokens; and four choices of ${CHOICES[0]?.length} tokens after one context of ${CONTEXT.length}, read once ` +
    "against read for each.",

  async run({ compare, record }) {
    await useBackend(wasm());
    using model = await createRandomModel("int8");

    const passes = async () => {
      using cache = model.createCache({ batch: 1, capacity: 1 + NEW_TOKENS });
      let id = 1;
      for (let step = 0; step < NEW_TOKENS; step++) {
        const tokens = tensor(Int32Array.of(id), [1, 1]);
        const logits = await takeData(model.forward(tokens, { cache, logits: "last" }));
        tokens.dispose();
        id = logits.length > 0 ? 7 + step : 0; // no search for the largest: that is what is measured beside it
      }
    };
    const { standings } = await compare({
      name: `${NEW_TOKENS} tokens`,
      ours: {
        name: "generate",
        async run() {
          for await (const id of generate(model, [1], { maxNewTokens: NEW_TOKENS })) if (id < 0) break;
        },
      },
      peers: [{ name: "bare passes", run: async () => void (await passes()) }],
      rounds: 10,
    });
    const ratio = standings.find(({ name }) => name === "bare passes")?.ratio.median ?? Number.NaN;
    record("overhead of generate (%)", 100 * (1 / ratio - 1));

    await compare({
      name: "four choices of one question",
      ours: {
        name: "context read once",
        run: async () => void (await logLikelihoods(model, CONTEXT, CHOICES)),
      },
      peers: [
        {
          name: "context read for each",
          async run() {
            for (const choice of CHOICES) await logLikelihoods(model, CONTEXT, [choice]);
          },
        },
      ],
      rounds: 5,
    });
  },
};

export default bench;
