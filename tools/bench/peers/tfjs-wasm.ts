import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Contender } from "../harness.ts";
import type { OpenElmShape } from "./openelm-workload.ts";

/** One op of tfjs-core, timed with its result read back. */
export interface OpRequest {
  run: "op";
  /** A function of tfjs-core: "matMul", "softmax", "transpose", … */
  op: string;
  /** Shapes of its leading arguments, filled with normal numbers; the same request finds the same tensors again. */
  inputs: readonly (readonly number[])[];
  /** Its further arguments: [false, true] is transposeB of matMul. */
  args?: readonly (number | boolean | readonly number[])[];
  /**
   * New tensors for every round, made outside the timing. XNNPACK packs the second operand of a product once and keeps
   * it: so false is inference with fixed weights, true is training. @default false
   */
  freshInputs?: boolean;
  /** @default 1 */
  rounds?: number;
}

/** Steps of an OpenELM in training. The same request goes on where it stopped. */
export interface TrainStepRequest {
  run: "trainStep";
  /** "stock": tfjs's gradients. "tuned": gradients by hand, every product plain and 2-D. */
  variant: "stock" | "tuned";
  config: OpenElmShape;
  batch: number;
  length: number;
  /** Of `initialCheckpoint` and `trainingBatch`. */
  seed: number;
  learningRate: number;
  /** @default 1 */
  rounds?: number;
}

/** Attention composed of plain ops, over `attentionValues`; the same request finds the same tensors again. */
export interface AttentionRequest {
  run: "attention";
  heads: number;
  /** Queries and keys. */
  length: number;
  headDim: number;
  causal: boolean;
  /** Whether to compute the gradients of q, k and v, too. */
  backward: boolean;
  /** @default 1 */
  rounds?: number;
}

export interface OpReply {
  /** Milliseconds of each round, in the peer's process. */
  ms: number[];
  /** The last number of what was read. */
  value?: number;
}

type Request = OpRequest | TrainStepRequest | AttentionRequest;

export interface TrainStepReply {
  ms: number[];
  /** Loss of each step, before its update. */
  losses: number[];
  /** Number of the first step of this call, from 0. */
  firstStep: number;
}

/** What the peer's process sends back. */
export type TfjsReply = { ok: true; value: OpReply | TrainStepReply } | { ok: false; error: string };

/**
 * @tensorflow/tfjs-backend-wasm 4.22.0 as everybody gets it in Node (SIMD, one thread), in a process of its own: our
 * backends replace kernels on the one engine of a realm, so a peer that shared it would run our code.
 */
export class TfjsWasm implements AsyncDisposable {
  private readonly child: ChildProcess;
  private queue: Promise<unknown> = Promise.resolve();

  private constructor(child: ChildProcess) {
    this.child = child;
  }

  /** Starts the process and its backend: about two seconds. Close it, or hold it with `await using`. */
  static async start(): Promise<TfjsWasm> {
    const child = fork(fileURLToPath(new URL("tfjs-wasm-process.ts", import.meta.url)), [], {
      serialization: "advanced",
      execArgv: [],
    });
    await reply(child); // it says when it is ready
    return new TfjsWasm(child);
  }

  /** @throws Error with the peer's message when it fails or ends */
  op(request: OpRequest): Promise<OpReply> {
    return this.send(request);
  }

  /** @throws Error with the peer's message when it fails or ends */
  trainStep(request: TrainStepRequest): Promise<TrainStepReply> {
    return this.send(request);
  }

  /** @throws Error with the peer's message when it fails or ends */
  attention(request: AttentionRequest): Promise<OpReply> {
    return this.send(request);
  }

  /** One round of a request per run, by the peer's own clock. */
  contender(name: string, request: Request): Contender {
    return {
      name,
      run: async () => (await this.send<OpReply | TrainStepReply>({ ...request, rounds: 1 })).ms[0],
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = new Promise((done) => this.child.once("exit", done));
    this.child.disconnect(); // it ends by itself when nobody can ask any more
    await ended;
  }

  /** One request at a time: the next is sent when the reply is there. */
  private send<R>(request: Request): Promise<R> {
    const turn = this.queue.then(async () => {
      if (!this.child.connected) throw new Error("TfjsWasm: the peer's process has ended. Start another.");
      const answered = reply(this.child);
      this.child.send(request);
      return (await answered) as R;
    });
    this.queue = turn.catch(() => {});
    return turn;
  }
}

function reply(child: ChildProcess): Promise<unknown> {
  return new Promise((done, fail) => {
    const onMessage = (message: TfjsReply): void => {
      child.off("exit", onExit);
      if (message.ok) done(message.value);
      else fail(new Error(`TfjsWasm: the peer failed. ${message.error}`));
    };
    const onExit = (code: number | null, signal: string | null): void => {
      child.off("message", onMessage);
      fail(new Error(`TfjsWasm: the peer's process ended with ${code ?? signal}. Look at its stderr.`));
    };
    child.once("message", onMessage);
    child.once("exit", onExit);
  });
}
