import type { Bench } from "./harness.ts";
import { TfjsWasm, type TrainStepRequest } from "./peers/tfjs-wasm.ts";

const FORMS = [
  { name: "a b", transposeA: false, transposeB: false },
  { name: "a bT", transposeA: false, transposeB: true },
  { name: "aT b", transposeA: true, transposeB: false },
  { name: "aT bT", transposeA: true, transposeB: true },
];

const TRAINING: Omit<TrainStepRequest, "variant"> = {
  run: "trainStep",
  config: {
    vocab: 256,
    dim: 128,
    headDim: 32,
    numQueryHeads: [2, 4, 4, 4],
    numKvHeads: [1, 2, 2, 2],
    ffnDims: [256, 384, 512, 512],
  },
  batch: 8,
  length: 128,
  seed: 1,
  learningRate: 1e-3,
};

const bench: Bench = {
  name: "tfjs-wasm",
  description:
    "The peer by itself, tfjs-backend-wasm 4.22.0 in Node: matMul in every form against its one fast form, and an " +
    "OpenELM training step (845,184 parameters, 8 x 128 tokens) with gradients by hand against tfjs's own.",

  async run({ compare }) {
    await using tfjs = await TfjsWasm.start();

    for (const { size, rounds } of [
      { size: 512, rounds: 7 },
      { size: 1024, rounds: 3 },
    ]) {
      const [plain, ...transposed] = FORMS.map(({ name, transposeA, transposeB }) =>
        tfjs.contender(name, {
          run: "op",
          op: "matMul",
          inputs: [
            [size, size],
            [size, size],
          ],
          args: [transposeA, transposeB],
        }),
      );
      if (!plain) continue;
      await compare({
        name: `matMul ${size} x ${size} x ${size}`,
        ours: plain,
        peers: transposed,
        warmup: 1,
        rounds,
        work: { flops: 2 * size ** 3 },
      });
    }

    const heads = (name: string, transposeB: boolean) =>
      tfjs.contender(name, {
        run: "op",
        op: "matMul",
        inputs: [
          [8, 256, 256],
          [8, 256, 256],
        ],
        args: [false, transposeB],
      });
    await compare({
      name: "matMul [8, 256, 256] x [8, 256, 256]",
      ours: heads("a b", false),
      peers: [heads("a bT", true)],
      work: { flops: 2 * 8 * 256 ** 3 },
      rounds: 7,
    });

    await compare({
      name: "OpenELM training step, 8 x 128 tokens",
      ours: tfjs.contender("tuned", { ...TRAINING, variant: "tuned" }),
      peers: [tfjs.contender("stock", { ...TRAINING, variant: "stock" })],
      warmup: 2,
      rounds: 7,
    });
  },
};

export default bench;
