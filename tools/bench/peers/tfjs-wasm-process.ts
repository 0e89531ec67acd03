// The process behind TfjsWasm: answers one request after the other until its parent disconnects.
import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-wasm";
import { stockKit } from "./openelm-stock.ts";
import { OpenElmTraining } from "./openelm-tfjs.ts";
import { tunedKit } from "./openelm-tuned.ts";
import { initialCheckpoint, trainingBatch } from "./openelm-workload.ts";
import { registerTfjsGradients } from "./tfjs-gradients.ts";
import type { OpReply, OpRequest, TfjsReply, TrainStepReply, TrainStepRequest } from "./tfjs-wasm.ts";

const inputs = new Map<string, tf.Tensor[]>();
const trainings = new Map<string, { training: OpenElmTraining; steps: number }>();

process.on("message", async (request: OpRequest | TrainStepRequest) => {
  try {
    send({ ok: true, value: request.run === "op" ? await runOp(request) : await trainStep(request) });
  } catch (error) {
    send({ ok: false, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
});

tf.enableProdMode(); // as a deployed app: no extra checks
await registerTfjsGradients();
if (!(await tf.setBackend("wasm"))) throw new Error("tfjs-wasm-process: the wasm backend did not start.");
send({ ok: true, value: { ms: [] } });

function send(reply: TfjsReply): void {
  process.send?.(reply);
}

async function runOp(request: OpRequest): Promise<OpReply> {
  const { op, args = [], freshInputs = false, rounds = 1 } = request;
  const f: unknown = Reflect.get(tf, op);
  if (typeof f !== "function") throw new RangeError(`op: tfjs-core has no ${op}. Use a name such as matMul.`);
  const originals = inputsOf(request);
  const ms: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const tensors = freshInputs ? originals.map((tensor) => tf.clone(tensor)) : originals; // clone copies on wasm
    const start = performance.now();
    const result: unknown = f(...tensors, ...args);
    if (!(result instanceof tf.Tensor))
      throw new TypeError(`op: ${op} gave no tensor. Use an op with one result.`);
    await result.data();
    ms.push(performance.now() - start);
    result.dispose();
    if (freshInputs) tf.dispose(tensors);
  }
  return { ms };
}

function inputsOf(request: OpRequest): tf.Tensor[] {
  const key = JSON.stringify([request.op, request.inputs, request.args]);
  const known = inputs.get(key);
  if (known) return known;
  const made = request.inputs.map((shape, i) => tf.randomNormal([...shape], 0, 1, "float32", i + 1));
  inputs.set(key, made);
  return made;
}

async function trainStep(request: TrainStepRequest): Promise<TrainStepReply> {
  const { variant, config, batch, length, seed, learningRate, rounds = 1 } = request;
  const key = JSON.stringify([variant, config, batch, length, seed, learningRate]);
  const kit = variant === "stock" ? stockKit : tunedKit;
  const state = trainings.get(key) ?? {
    training: new OpenElmTraining(initialCheckpoint(config, seed), config, kit),
    steps: 0,
  };
  trainings.set(key, state);
  const reply: TrainStepReply = { ms: [], losses: [], firstStep: state.steps };
  for (let round = 0; round < rounds; round++) {
    const data = trainingBatch({ vocab: config.vocab, batch, length, seed, step: state.steps });
    const start = performance.now();
    const { loss } = await state.training.step(data, { learningRate });
    reply.ms.push(performance.now() - start);
    reply.losses.push(loss);
    state.steps++;
  }
  return reply;
}
