// The worker of the playground: everything that computes. The page loads it when Start is pressed.
import { isAbortError, Rng } from "@corenet/core";
import { crossEntropy } from "@corenet/nn";
import { countParameters, type OpenElm } from "@corenet/openelm";
import { activeBackend, type TensorTree, tidy } from "@corenet/tensor";
import { cosineSchedule, train } from "@corenet/train";
import { bitsPerByte, generateText, splitText, type TextBatch, windowBatches } from "corenet";
import { createModel } from "./create-model.ts";
import type { Reply, Request } from "./messages.ts";
import { startBackend } from "./start-backend.ts";

type TrainRequest = Extract<Request, { type: "train" }>;
type GenerateRequest = Extract<Request, { type: "generate" }>;

const batchSize = 8;
const length = 64; // short windows: a young model learns most from them
const stepsPerLook = 50; // at held-out text
const msPerReply = 50;

let model: OpenElm | undefined;
let running = new AbortController();

const tell = (reply: Reply) => postMessage(reply);

addEventListener("message", ({ data }: MessageEvent<Request>) => {
  if (data.type === "stop") running.abort();
  else void work(data);
});

/** The page asks for one thing at a time. What fails is told to it. */
async function work(request: TrainRequest | GenerateRequest): Promise<void> {
  running = new AbortController();
  try {
    if (request.type === "train") await trainOn(request, running.signal);
    else await generate(request, running.signal);
  } catch (error) {
    tell({ type: "failed", message: error instanceof Error ? error.message : String(error) });
  }
}

async function trainOn({ text, backend, steps }: TrainRequest, signal: AbortSignal): Promise<void> {
  model?.dispose();
  model = undefined;
  const textBytes = new TextEncoder().encode(text);
  const { training, heldOut } = splitText(textBytes, { window: length + 1 });
  const glimpse = heldOut.slice(0, 8).map((block) => block.subarray(0, 512));
  const reasons = await startBackend(backend);
  const rng = new Rng(1);
  using start = await createModel(rng.split("model"));
  const { name, wasm } = activeBackend();
  const parameters = countParameters(start.config);
  tell({
    type: "started",
    backend: name,
    reasons,
    threads: wasm?.threads ?? 1,
    parameters,
    textBytes: textBytes.length,
  });

  let [done, toldMs, ms] = [0, 0, 0];
  const { params } = await train<TensorTree, TextBatch>({
    params: start.params as TensorTree, // nothing in it is packed
    loss: (tree, { tokens, targets }) =>
      tidy(() => crossEntropy(start.withParams(tree).forward(tokens), targets, { zLoss: 1e-4 })),
    batches: windowBatches(training, { batchSize, length, rng: rng.split("batches") }),
    schedule: cosineSchedule({ peak: 4e-3, min: 4e-4, warmup: 50, total: steps }),
    optimizer: { weightDecay: 0.1, beta1: 0.9, beta2: 0.95 },
    steps,
    clip: 1,
    signal,
    onAbort: "return",
    async onStep({ step, loss, ms: stepMs, params }) {
      done = step + 1;
      ms = ms === 0 ? stepMs : 0.9 * ms + 0.1 * stepMs;
      const bytesPerSecond = (1000 * batchSize * length) / ms;
      if (performance.now() - toldMs > msPerReply || done === steps) {
        toldMs = performance.now();
        tell({ type: "step", step: done, bits: loss / Math.LN2, bytesPerSecond });
      }
      if (done % stepsPerLook === 0) {
        const bits = await bitsPerByte(start.withParams(params), glimpse, { window: length, signal });
        tell({ type: "held-out", step: done, bits });
      }
    },
  });
  model = start.withParams(params);
  tell({ type: "trained", step: done, stopped: done < steps });
}

async function generate({ prompt, temperature, bytes }: GenerateRequest, signal: AbortSignal): Promise<void> {
  if (!model) throw new Error("There is no trained model yet. Press Start first.");
  try {
    const options = {
      prompt,
      temperature,
      topP: 0.95,
      maxNewTokens: bytes,
      seed: Date.now() % 2 ** 31,
      signal,
    };
    for await (const text of generateText(model, options)) tell({ type: "text", text });
  } catch (error) {
    if (!isAbortError(error)) throw error; // stopped by hand
  }
  tell({ type: "generated" });
}
