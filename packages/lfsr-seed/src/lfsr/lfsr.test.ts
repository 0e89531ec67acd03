import fc from "fast-check";
import { expect, test } from "vitest";
import { loadGolden } from "../../../../tools/testing/index.ts";
import { isMaximalLength } from "./is-maximal-length.ts";
import { lfsrJump } from "./lfsr-jump.ts";
import { indexToSeed, lfsrSequence, seedToIndex } from "./lfsr-sequence.ts";
import { lfsrStates, lfsrStep } from "./lfsr-step.ts";
import { lfsrTaps } from "./taps.ts";

const golden = await loadGolden("lfsr-seed/sequences");

test("the paper's taps visit every state, K = 2..24", () => {
  for (let K = 2; K <= 24; K++) expect(isMaximalLength({ K }), `K = ${K}`).toBe(true);
});

test("taps that the walk shows not to be maximal are found out, K = 2..10", () => {
  for (let K = 2; K <= 10; K++) {
    for (let taps = 1; taps < 2 ** K; taps += 2) {
      let period = 1;
      for (let state = lfsrStep(1, { K, taps }); state !== 1; state = lfsrStep(state, { K, taps }))
        period += 1;
      expect(isMaximalLength({ K, taps }), `K = ${K}, taps ${taps}`).toBe(period === 2 ** K - 1);
    }
  }
});

test("figure 4 of the paper: K = 3, seed 4", () => {
  expect([...lfsrStates(4, 8, { K: 3 })]).toEqual([2, 5, 6, 7, 3, 1, 4, 2]);
});

test("the states after seeds 1 and 0xACE1, K = 16", () => {
  expect([...lfsrStates(1, 24, { K: 16 })]).toEqual([
    32768, 16384, 8192, 4096, 34816, 17408, 8704, 4352, 34944, 17472, 8736, 4368, 34952, 50244, 25122, 45329,
    22664, 11332, 5666, 2833, 34184, 49860, 24930, 45233,
  ]);
  expect([...lfsrStates(0xace1, 24, { K: 16 })]).toEqual([
    54896, 60216, 62876, 31438, 48487, 57011, 61273, 30636, 15318, 7659, 3829, 34682, 17341, 8670, 4335, 2167,
    1083, 33309, 16654, 8327, 4163, 34849, 50192, 25096,
  ]);
});

test("the whole cycle for K = 16", () => {
  const cycle = lfsrSequence({ K: 16 });
  expect(cycle.length).toBe(65535);
  expect(fnv1a(Uint16Array.from(cycle))).toBe(0x352c3835);
  expect(cycle.reduce((sum, s) => sum + s, 0)).toBe(2147450880);
  expect([...cycle.subarray(0, 5), cycle.at(-1)]).toEqual([1, 0x8000, 0x4000, 0x2000, 0x1000, 3]);
  const places = { 1: 0, 32768: 1, 65535: 15942, 44257: 57935, 2: 49593, 3: 65534 };
  for (const [seed, index] of Object.entries(places)) {
    expect(seedToIndex(Number(seed), { K: 16 })).toBe(index);
    expect(indexToSeed(index, { K: 16 })).toBe(Number(seed));
  }
});

test("the basis over the cycle is centred and reaches both ends; neighbours correlate as published", () => {
  const u = Float64Array.from(lfsrSequence({ K: 16 }), (v) => (v - 32768) / 32767);
  const mean = (values: Float64Array) => values.reduce((sum, x) => sum + x, 0) / values.length;
  const variance = mean(u.map((x) => x * x));
  const ends = u.toSorted(); // as arguments of Math.min they are too many for the stack of a browser's worker
  expect([ends.at(0), ends.at(-1)]).toEqual([-1, 1]);
  expect(mean(u)).toBeCloseTo(0, 14);
  expect(variance).toBeCloseTo(0.333344, 6);
  const correlation = (lag: number) =>
    mean(u.map((x, i) => x * (u[(i + lag) % u.length] as number))) / variance;
  const lags = [1, 2, 3, 4, 5, 8].map((lag) => Number(correlation(lag).toFixed(5)));
  expect(lags).toEqual([0.49998, 0.24997, 0.12496, 0.06246, 0.03121, 0.00386]);
  for (let lag = 12; lag < 40; lag++) expect(Math.abs(correlation(lag))).toBeLessThan(3e-4);
});

test("matches the reference, K = 8..24", () => {
  for (let K = 8; K <= 24; K++) {
    const facts = golden.json.facts[`k${K}`];
    const taps = (facts.taps as number[]).reduce((mask, j) => mask | (1 << j), 0);
    expect(taps).toBe(lfsrTaps(K));
    for (const [seed, name] of [
      [1, "seed1"],
      [facts.seedA, "seedA"],
    ] as const) {
      const want = golden.tensors.get(`output.states_k${K}_${name}`)?.data;
      expect([...lfsrStates(seed, 64, { K })]).toEqual([...(want as Int32Array)]);
    }
    for (const [index, state] of Object.entries(facts.stateAt)) {
      expect(lfsrJump(1, Number(index), { K })).toBe(state);
    }
    if (K <= 16) {
      const cycle = lfsrSequence({ K });
      expect(fnv1a(Uint16Array.from(cycle))).toBe(facts.fnv1a);
    }
    expect(lfsrJump(1, -1, { K })).toBe(facts.last);
  }
});

const register = fc.integer({ min: 2, max: 24 }).chain((K) =>
  fc.record({
    K: fc.constant(K),
    seed: fc.integer({ min: 1, max: 2 ** K - 1 }),
    n: fc.integer({ min: 0, max: 99 }),
  }),
);

test("a jump is so many steps, and back", () => {
  fc.assert(
    fc.property(register, ({ K, seed, n }) => {
      const there = n === 0 ? seed : lfsrStates(seed, n, { K })[n - 1];
      expect(lfsrJump(seed, n, { K })).toBe(there);
      expect(lfsrJump(there as number, -n, { K })).toBe(seed);
    }),
  );
});

test("index and seed name each other", () => {
  fc.assert(
    fc.property(register, ({ K, seed }) => {
      expect(indexToSeed(seedToIndex(seed, { K }), { K })).toBe(seed);
    }),
    { numRuns: 20 },
  );
});

test("says what is no seed, no register and no place", () => {
  expect(() => lfsrStep(0, { K: 16 })).toThrow(
    "lfsrStep: seed is 0, expected an integer in [1, 2^16). 0 is no seed",
  );
  expect(() => lfsrStates(65536, 1, { K: 16 })).toThrow("seed is 65536");
  expect(() => lfsrStates(1, -1, { K: 16 })).toThrow("n is -1");
  expect(() => lfsrTaps(25)).toThrow("K is 25, expected an integer in [2, 24]");
  expect(() => lfsrStep(1, { K: 16, taps: 2 })).toThrow("taps is 2, expected an odd bit mask below 2^16");
  expect(() => lfsrJump(1, 0.5, { K: 16 })).toThrow("n is 0.5");
  expect(() => indexToSeed(-1, { K: 16 })).toThrow("index is -1");
  // 1 -> 2 -> 1 is a cycle of its own with taps {0}: rotation.
  expect(() => seedToIndex(3, { K: 4, taps: 1 })).toThrow("seed 3 is not on the cycle of state 1");
});

/** FNV-1a, 32 bits, over the bytes of the array. */
function fnv1a(values: Uint16Array): number {
  let hash = 0x811c9dc5;
  for (const byte of new Uint8Array(values.buffer)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
