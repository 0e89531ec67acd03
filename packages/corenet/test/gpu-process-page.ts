// Bundled for the browser: what a page does on WebGPU while its GPU process is killed.

import { type Backend, matMul, mean, mul, ones, square, sub, type Tensor2D, tanh } from "@corenet/tensor";
import {
  type BatchSource,
  type CheckpointStore,
  cosineSchedule,
  type Fallback,
  memoryStore,
  train,
} from "@corenet/train";
import {
  createOpenElm,
  generateText,
  openElmConfig,
  Rng,
  takeData,
  tensor,
  useBackend,
  wasm,
  webgpu,
} from "corenet";

const config = openElmConfig({
  ...{ numLayers: 1, modelDim: 16, headDim: 8, groupSize: 1, ffnDivisor: 8 },
  ...{ qkvMultipliers: 1, ffnMultipliers: 1, vocabSize: 256, contextLength: 32 },
});
const backends: Readonly<Record<string, () => Backend>> = { webgpu, wasm };

export interface TrainingReport {
  readonly losses: readonly number[];
  /** Backends that the run went to. */
  readonly went: readonly string[];
  /** Name and text of the error that ended it, and of each that it survived. */
  readonly failure: string | null;
  readonly survived: readonly string[];
}

export interface TrainingWishes {
  readonly steps: number;
  readonly fallBackTo?: readonly string[];
  /** Goes on from what an earlier call of this page saved, every second step. */
  readonly saves?: boolean;
  /** The step that asks a GPU for more than it has. */
  readonly fullAt?: number;
}

let store: CheckpointStore | undefined;

/** y = x₀x₁ + x₂ at random points. */
function products(): BatchSource<{ x: Tensor2D; y: Tensor2D }> {
  let rng = new Rng(7);
  return {
    next() {
      const points = Array.from({ length: 16 }, () => Array.from({ length: 4 }, () => rng.normal()));
      const targets = points.map(([a = 0, b = 0, c = 0]) => [a * b + c]);
      return { x: tensor(points), y: tensor(targets) };
    },
    save: () => JSON.stringify(rng.save()),
    restore(saved) {
      rng = Rng.restore(JSON.parse(String(saved)));
    },
  };
}

/** Trains two layers on WebGPU. Steps are counted in `app.step`. */
async function trainOnGpu({ steps, fallBackTo, saves, fullAt }: TrainingWishes): Promise<TrainingReport> {
  await useBackend(webgpu());
  const rng = new Rng(1);
  const matrix = (rows: number, columns: number) =>
    tensor(rng.fillNormal(new Float32Array(rows * columns), { std: rows ** -0.5 }), [rows, columns] as const);
  const went: string[] = [];
  const survived: string[] = [];
  let onGpu = true;
  if (saves) store ??= memoryStore();
  const fallback: Fallback | undefined = fallBackTo && {
    fallBackTo: fallBackTo.map((name) => (backends[name] as () => Backend)()),
    snapshotEverySteps: 2,
    onFallback({ error, backend }) {
      survived.push(textOf(error));
      went.push(backend);
      onGpu = backend === "webgpu";
    },
  };
  try {
    const { history } = await train({
      params: { first: matrix(4, 32), second: matrix(32, 1) },
      loss({ first, second }, { x, y }, { step }) {
        if (onGpu && step === fullAt) ones([2 ** 28 - 1]); // 1 GiB, the most that a buffer may have
        return mean(square(sub(matMul(tanh(matMul(x, first)), second), y)));
      },
      batches: products(),
      schedule: cosineSchedule({ peak: 0.02, total: 60 }),
      steps,
      ...(fallback ? { onDeviceLost: fallback } : {}),
      ...(saves && store ? { checkpoint: { folder: store, everySteps: 2 } } : {}),
      onStep({ step }) {
        app.step = step;
      },
    });
    return { losses: history.map(({ loss }) => loss), went, survived, failure: null };
  } catch (error) {
    return { losses: [], went, survived, failure: textOf(error) };
  }
}

/** Generates until something stops it. */
async function generateOnGpu(): Promise<string> {
  await useBackend(webgpu());
  const model = await createOpenElm(config, { rng: new Rng(1) });
  for (;;) {
    try {
      for await (const _ of generateText(model, { prompt: "a", maxNewTokens: 20 })) app.step++;
    } catch (error) {
      return textOf(error);
    }
  }
}

/** Computes until something stops it. */
async function computeOnGpu(): Promise<string> {
  await useBackend(webgpu());
  for (;;) {
    try {
      await takeData(mul(ones([1000]), 2));
      app.step++;
    } catch (error) {
      return textOf(error);
    }
  }
}

/** The first of the backends that starts, and what it computes. */
async function start(...names: string[]): Promise<{ name: string; value: number | undefined }> {
  const { name } = await useBackend(...names.map((one) => (backends[one] as () => Backend)()));
  const [value] = await takeData(mul(ones([1]), 2));
  return { name, value };
}

const textOf = (error: unknown): string => {
  const { name, message } = error as Error;
  return `${name}: ${message}`;
};

export const app = { step: 0, trainOnGpu, generateOnGpu, computeOnGpu, start };
Object.assign(globalThis, { app });
