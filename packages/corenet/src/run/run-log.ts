import type { Json, Resumable, StepEvent } from "@corenet/train";
import type { RunCurve } from "./result.ts";

type Saved = {
  ms: number;
  tokens: number;
  speed: { step: number; tokensPerSecond: number }[];
  heldOut: { step: number; bitsPerByte: number }[];
};

const memorySteps = 20; // over which the present speed is averaged

/** What a run tells of itself and the training does not need. Goes into the checkpoints, so that a resume has it all. */
export class RunLog implements Resumable {
  #saved: Saved = { ms: 0, tokens: 0, speed: [], heldOut: [] };
  #recent: { ms: number; tokens: number }[] = [];

  /** Time of all steps so far. */
  get seconds(): number {
    return this.#saved.ms / 1000;
  }

  /** Mean of all steps so far. */
  get tokensPerSecond(): number {
    return perSecond(this.#saved);
  }

  /** Of the last steps of this process. */
  get speedNow(): { tokensPerSecond: number; stepMs: number } {
    const sum = { ms: 0, tokens: 0 };
    for (const { ms, tokens } of this.#recent) {
      sum.ms += ms;
      sum.tokens += tokens;
    }
    return { tokensPerSecond: perSecond(sum), stepMs: sum.ms / Math.max(1, this.#recent.length) };
  }

  get curve(): Pick<RunCurve, "speed" | "heldOut"> {
    return { speed: [...this.#saved.speed], heldOut: [...this.#saved.heldOut] };
  }

  noteStep({ ms, tokens = 0 }: Pick<StepEvent<unknown>, "ms" | "tokens">): void {
    this.#saved.ms += ms;
    this.#saved.tokens += tokens;
    this.#recent = [...this.#recent, { ms, tokens }].slice(-memorySteps);
  }

  noteSpeed(step: number): void {
    this.#saved.speed.push({ step, tokensPerSecond: this.speedNow.tokensPerSecond });
  }

  noteHeldOut(step: number, bitsPerByte: number): void {
    this.#saved.heldOut.push({ step, bitsPerByte });
  }

  save(): Json {
    return structuredClone(this.#saved);
  }

  restore(saved: Json): void {
    this.#saved = structuredClone(saved as Saved);
  }
}

function perSecond({ ms, tokens }: { ms: number; tokens: number }): number {
  return ms > 0 ? (1000 * tokens) / ms : 0;
}
