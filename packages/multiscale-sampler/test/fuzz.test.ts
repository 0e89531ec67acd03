import {
  cnnCost,
  createSampler,
  curriculumScales,
  fixedVideoScale,
  growingScales,
  pixelCost,
  planTraining,
  Rng,
  sequenceScales,
  variableBatchScales,
  variableFramesScales,
} from "@corenet/multiscale-sampler";
import fc from "fast-check";
import { expect, test } from "vitest";

// What is plainly wrong, what is just wrong, and what is right.
const number = fc.oneof(
  fc.constantFrom(0, -1, 1, 0.5, Number.NaN, Infinity, -Infinity, 2 ** 31, 2 ** 32, 2 ** 53, 1e300),
  fc.integer({ min: -10, max: 700 }),
  fc.double(),
);
const some = (...names: string[]) =>
  fc.record(Object.fromEntries(names.map((name) => [name, number])) as Record<string, typeof number>, {
    requiredKeys: [],
  });

/** Runs `work`, which may refuse, but only with an error that says who, what and what to do. */
function worksOrExplains(work: () => void): void {
  try {
    work();
  } catch (error) {
    expect(error instanceof RangeError || error instanceof TypeError, String(error)).toBe(true);
    expect((error as Error).message).toMatch(/^\w+: .+ (is|has|are|got) .+(expected|Pass|Swap).*/);
  }
}

const sizes = ["baseSize", "baseBatch", "minSize", "maxSize", "count", "divisor"];

test("lists of scales work or say how to mend their options", () => {
  const range = { baseSize: 32, baseBatch: 4, minSize: 16, maxSize: 48, divisor: 8 };
  const curriculum = ["epochs", "growUntil", "startMinSize", "startMaxSize", "endMinSize", "endMaxSize"];
  fc.assert(
    fc.property(some(...sizes), (o) => worksOrExplains(() => void variableBatchScales({ ...range, ...o }))),
  );
  fc.assert(
    fc.property(some(...sizes, "batchSize", "baseFrames"), (o) =>
      worksOrExplains(() => void variableFramesScales({ ...range, batchSize: 2, ...o })),
    ),
  );
  fc.assert(
    fc.property(some("size", "batchSize", "frames", "clips"), (o) =>
      worksOrExplains(() => void fixedVideoScale({ size: 8, batchSize: 2, ...o })),
    ),
  );
  fc.assert(
    fc.property(some(...sizes, "minFactor", "maxFactor"), (o) =>
      worksOrExplains(() => void growingScales({ ...range, ...o })(50)),
    ),
  );
  fc.assert(
    fc.property(some(...sizes, ...curriculum), fc.nat(30), (o, epoch) =>
      worksOrExplains(() => void curriculumScales({ ...range, epochs: 20, ...o })(epoch)),
    ),
  );
  fc.assert(
    fc.property(some("baseLength", "baseBatch", "minLength", "maxLength", "count", "divisor"), (o) =>
      worksOrExplains(
        () => void sequenceScales({ baseLength: 64, baseBatch: 2, minLength: 32, maxLength: 96, ...o }),
      ),
    ),
  );
});

test("samplers and plans work or say how to mend their options", () => {
  const scales = variableBatchScales({ baseSize: 32, baseBatch: 4, minSize: 32, maxSize: 64 });
  const small = (o: Record<string, number | undefined>) => ({
    ...o,
    samples: Math.min(o.samples ?? 9, 5000),
  });
  fc.assert(
    fc.property(some("samples", "repeats"), some("rank", "worldSize"), number, (o, ranks, epoch) =>
      worksOrExplains(() => {
        const { repeats = 1 } = o;
        const options = {
          ...small(o),
          repeats: repeats > 1000 ? 2 ** 40 : repeats,
          scales,
          random: new Rng(1),
        };
        const place = { rank: 0, worldSize: 2, ...ranks };
        for (const batch of createSampler({ ...options, ranks: place }).epoch(epoch)) {
          if (batch.indices.length !== batch.batchSize) throw new Error("a batch of another size");
        }
      }),
    ),
  );
  fc.assert(
    fc.property(some("samples", "epochs"), some("macs", "size", "fixedMacs"), (o, c) =>
      worksOrExplains(() => {
        const epochs = Math.min(o.epochs ?? 1, 100);
        const cost = cnnCost({ macs: 1e9, ...c });
        planTraining({ ...small(o), epochs, scales, baseline: scales.slice(0, 1), cost });
        planTraining({ ...small(o), epochs, scales, baseline: scales.slice(0, 1), cost: pixelCost });
      }),
    ),
  );
});
