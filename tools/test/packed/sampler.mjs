// The image sampler alone: the same plan as on every other machine, without tensors.
import assert from "node:assert/strict";
import { createSampler, RandomStream, variableBatchScales } from "@corenet/multiscale-sampler";

// From packages/multiscale-sampler/src/sampler.test.ts.
const scales = variableBatchScales({ baseSize: 32, baseBatch: 10, minSize: 16, maxSize: 48, divisor: 8 });
const [first] = createSampler({ samples: 20, scales, random: new RandomStream(2026) }).epoch(1);
assert.equal(first.height, 48);
assert.deepEqual([...first.indices], [16, 11, 0, 9]);
