import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Contender } from "../harness.ts";
import type { RunReply } from "../runner.ts";
import { initialCheckpoint, type OpenElmShape, parameterShapes, trainingBatch } from "./openelm-workload.ts";
import { PythonPeer } from "./python.ts";

export interface TorchTrainingOptions {
  /** An interpreter that has torch and numpy. */
  python: string;
  shape: OpenElmShape;
  batch: number;
  length: number;
  /** Of `initialCheckpoint` and `trainingBatch`. */
  seed: number;
  learningRate: number;
  zLoss: number;
  clipNorm: number;
  threads: number;
}

/**
 * PyTorch in eager mode on the CPU: the same model, start, batches, loss, clipping and AdamW, with its fused attention,
 * RMSNorm and SiLU, as a user writes it. A process of its own.
 */
export class TorchTraining implements AsyncDisposable {
  /** Of PyTorch. */
  readonly version: string;
  readonly #peer: PythonPeer;
  readonly #options: TorchTrainingOptions;
  #steps = 0;

  private constructor(peer: PythonPeer, version: string, options: TorchTrainingOptions) {
    this.#peer = peer;
    this.version = version;
    this.#options = options;
  }

  /** @throws Error when PyTorch does not start */
  static async start(options: TorchTrainingOptions): Promise<TorchTraining> {
    const { python, shape, seed, learningRate, threads } = options;
    const checkpoint = Object.values(initialCheckpoint(shape, seed));
    const folder = await mkdtemp(join(tmpdir(), "corenet-bench-"));
    const peer = new PythonPeer(python, new URL("openelm_torch.py", import.meta.url));
    try {
      const weights = join(folder, "weights.f32");
      await writeFile(
        weights,
        checkpoint.map(({ values }) => values),
      );
      const setting = { weights, parameterShapes: parameterShapes(shape), shape, learningRate, threads };
      const { version } = await peer.ask<{ version: string }>(setting);
      return new TorchTraining(peer, version, options);
    } catch (error) {
      await peer[Symbol.asyncDispose]();
      throw error;
    } finally {
      await rm(folder, { recursive: true });
    }
  }

  /** One step by PyTorch's own clock, and its loss before the update. */
  step(): Promise<RunReply> {
    const { shape, batch, length, seed, zLoss, clipNorm } = this.#options;
    const data = trainingBatch({ vocab: shape.vocab, batch, length, seed, step: this.#steps++ });
    const [tokens, targets] = [data.tokens, data.targets].map((ids) => Array.from(ids));
    return this.#peer.ask<RunReply>({ batch, length, tokens, targets, zLoss, clipNorm });
  }

  contender(name: string): Contender {
    return { name, run: async () => (await this.step()).ms };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#peer[Symbol.asyncDispose]();
  }
}
