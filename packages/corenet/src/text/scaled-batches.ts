import type { BatchSource, Json } from "@corenet/train";

/**
 * Batches whose scale is decided step by step: each scale goes on where its own source was left.
 *
 * @param scaleOf - the name of the scale of a step, from 0
 * @param sources - one for each name
 */
export function scaledBatches<B>(
  scaleOf: (step: number) => string,
  sources: Readonly<Record<string, BatchSource<B>>>,
): BatchSource<B> {
  let step = 0;
  return {
    next() {
      const source = sourceOf(sources, scaleOf(step), step);
      step += 1;
      return source.next();
    },
    save: (): Json => ({
      step,
      positions: Object.fromEntries(Object.entries(sources).map(([name, source]) => [name, source.save()])),
    }),
    restore(saved) {
      const position = parsePosition(saved, Object.keys(sources));
      step = position.step;
      for (const [name, source] of Object.entries(sources)) source.restore(position.positions[name] as Json);
    },
  };
}

function sourceOf<B>(
  sources: Readonly<Record<string, BatchSource<B>>>,
  name: string,
  step: number,
): BatchSource<B> {
  const source = sources[name];
  if (source) return source;
  throw new RangeError(
    `scaledBatches: step ${step} has the scale ${name}, expected one of ${Object.keys(sources).join(", ")}. ` +
      "Pass a source for each.",
  );
}

function parsePosition(saved: Json, names: readonly string[]): Position {
  if (isPosition(saved) && names.every((name) => name in saved.positions)) return saved;
  throw new TypeError(
    `scaledBatches: got the position ${JSON.stringify(saved)}, expected { step, positions } with a position for each of ` +
      `${names.join(", ")}. Pass what save() returned.`,
  );
}

type Position = { readonly step: number; readonly positions: { readonly [name: string]: Json } };

function isPosition(saved: Json): saved is Position {
  if (typeof saved !== "object" || saved === null || !("step" in saved && "positions" in saved)) return false;
  const { step, positions } = saved;
  return (
    (step as number) >= 0 && Number.isSafeInteger(step) && typeof positions === "object" && positions !== null
  );
}
