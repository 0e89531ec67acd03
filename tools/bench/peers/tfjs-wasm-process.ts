// The process behind TfjsWasm: answers one request after the other until its parent disconnects.
import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-wasm";
import { attentionValues } from "./attention-workload.ts";
import { causalMask, stockKit } from "./openelm-stock.ts";
import { OpenElmTraining } from "./openelm-tfjs.ts";
import { tunedKit } from "./openelm-tuned.ts";
import { initialCheckpoint, trainingBatch } from "./openelm-workload.ts";
import { registerTfjsGradients } from "./tfjs-gradients.ts";
import type {
  AttentionRequest,
  OpReply,
  OpRequest,
  TfjsReply,
  TrainStepReply,
  TrainStepRequest,
} from "./tfjs-wasm.ts";

const inputs = new Map<string, tf.Tensor[]>();
const trainings = new Map<string, { training: OpenElmTraining; steps: number }>();

process.on("message", async (request: OpRequest | TrainStepRequest | AttentionRequest) => {
  try {
    send({ ok: true, value: await answer(request) });
  } catch (error) {
    send({ ok: false, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
});

tf.enableProdMode(); // as a deployed app: no extra checks
await registerTfjsGradients();
if (!(await tf.setBackend("wasm"))) throw new Error("tfjs-wasm-process: the wasm backend did not start.");
send({ ok: true, value: { ms: [] } });

function answer(request: OpRequest | TrainStepRequest | AttentionRequest): Promise<OpReply | TrainStepReply> {
  if (request.run === "op") return runOp(request);
  return request.run === "attention" ? runAttention(request) : trainStep(request);
}

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

/** softmax(q kT / sqrt(d) + mask) v as a user writes it, and tfjs's own gradients of it. */
async function runAttention(request: AttentionRequest): Promise<OpReply> {
  const { causal, backward, headDim, rounds = 1 } = request;
  const [q, k, v, dy, mask] = attentionTensors(request);
  const forward = (...[q, k, v]: tf.Tensor[]): tf.Tensor => {
    const scores = tf.mul(tf.matMul(q as tf.Tensor, k as tf.Tensor, false, true), headDim ** -0.5); // [1, H, T, T]
    return tf.matMul(tf.softmax(causal ? tf.add(scores, mask as tf.Tensor) : scores), v as tf.Tensor);
  };
  const gradients = tf.grads((...inputs) => tf.sum(tf.mul(forward(...inputs), dy as tf.Tensor)));
  const reply: OpReply = { ms: [] };
  for (let round = 0; round < rounds; round++) {
    const inputs = [q, k, v] as tf.Tensor[];
    const start = performance.now();
    const results = tf.tidy(() => (backward ? gradients(inputs) : [forward(...inputs)]));
    const values = await (results[0] as tf.Tensor).data();
    reply.ms.push(performance.now() - start);
    reply.value = values[values.length - 1];
    tf.dispose(results);
  }
  return reply;
}

/** q, k, v, the gradient of the result, and the mask that is added. */
function attentionTensors({ heads, length, headDim }: AttentionRequest): tf.Tensor[] {
  const key = JSON.stringify(["attention", heads, length, headDim]);
  const known = inputs.get(key);
  if (known) return known;
  const made = [1, 2, 3, 4].map((seed) =>
    tf.tensor(attentionValues(heads * length * headDim, seed), [1, heads, length, headDim]),
  );
  made.push(causalMask(length));
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
