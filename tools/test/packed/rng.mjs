// The smallest package alone: the same numbers as on every other machine.
import assert from "node:assert/strict";
import { Rng } from "@corenet/core";

// From packages/core/src/rng.test.ts.
assert.equal(new Rng(42).split("dropout").integer(2 ** 32), 2291563618);
