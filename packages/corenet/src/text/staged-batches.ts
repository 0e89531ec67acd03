import type { BatchSource, Json } from "@corenet/train";

export interface BatchStage<B> {
  /** How many batches are taken from it. The last stage is endless, whatever it says. */
  readonly steps: number;
  readonly source: BatchSource<B>;
}

/**
 * Batches from one source after another.
 *
 * @throws RangeError when there is no stage
 */
export function stagedBatches<B>(stages: readonly BatchStage<B>[]): BatchSource<B> {
  if (stages.length === 0) throw new RangeError("stagedBatches: got no stages, expected at least one.");
  let stage = 0;
  let taken = 0; // of this stage
  const present = () => stages[stage] as BatchStage<B>;

  return {
    next() {
      while (taken >= present().steps && stage < stages.length - 1) {
        stage += 1;
        taken = 0;
      }
      taken += 1;
      return present().source.next();
    },
    save: (): Json => ({ stage, taken, position: present().source.save() }),
    restore(saved) {
      const parsed = parsePosition(saved, stages.length);
      ({ stage, taken } = parsed);
      present().source.restore(parsed.position);
    },
  };
}

function parsePosition(saved: Json, count: number): { stage: number; taken: number; position: Json } {
  if (
    typeof saved === "object" &&
    saved !== null &&
    "stage" in saved &&
    "taken" in saved &&
    "position" in saved
  ) {
    const [stage, taken] = [Number(saved.stage), Number(saved.taken)];
    const fits = Number.isSafeInteger(stage) && stage >= 0 && stage < count && Number.isSafeInteger(taken);
    if (fits) return { stage, taken, position: saved.position as Json };
  }
  throw new TypeError(
    `stagedBatches: got the position ${JSON.stringify(saved)}, expected { stage, taken, position } with a stage below ` +
      `${count}. Pass what save() returned.`,
  );
}
