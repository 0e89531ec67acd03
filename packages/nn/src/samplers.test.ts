import { Rng } from "@corenet/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { loadGolden } from "../../../tools/testing/index.ts";
import {
  applyTemperature,
  checkSamplingOptions,
  keepMinP,
  keepTopK,
  keepTopP,
  type Logits,
  mostLikely,
  nextTokenProbabilities,
  penalizeRepetition,
  probabilitiesOf,
  type SamplingOptions,
  sampleToken,
} from "./samplers.ts";

const golden = (await loadGolden("openelm/samplers")).json;
const logits: Float64Array = Float64Array.from(golden.config.logits);
const seen: number[] = golden.config.seen;
const none = Number.NEGATIVE_INFINITY;

function expectLogits(actual: Logits, expected: readonly (number | null)[]): void {
  expect(actual.length).toBe(expected.length);
  expected.forEach((value, i) => {
    if (value === null) expect(actual[i]).toBe(none);
    else expect(Math.abs((actual[i] as number) - value)).toBeLessThanOrEqual(1e-6);
  });
}

/** "top_k 3" as our own call. */
function apply(rule: string, x: Logits): Float64Array {
  const [name, value] = rule.split(" ") as [string, string];
  const rules: Record<string, (n: number) => Float64Array> = {
    repetition_penalty: (p) => penalizeRepetition(x, seen, p),
    temperature: (t) => applyTemperature(x, t),
    top_k: (k) => keepTopK(x, k),
    top_p: (p) => keepTopP(x, p),
    min_p: (p) => keepMinP(x, p),
  };
  return (rules[name] as (n: number) => Float64Array)(Number(value));
}

describe("against the reference", () => {
  test.each(Object.keys(golden.alone))("%s", (rule) => {
    expectLogits(apply(rule, logits), golden.alone[rule]);
  });

  test("one rule after another", () => {
    let current: Logits = logits;
    for (const { rule, logits: expected } of golden.chain) {
      current = apply(rule, current);
      expectLogits(current, expected);
    }
    expectLogits(probabilitiesOf(current), golden.probabilities);
  });

  test("all rules at once, in their order", () => {
    const options = { repetitionPenalty: 1.2, temperature: 0.7, topK: 6, topP: 0.9 };
    expectLogits(nextTokenProbabilities(logits, seen, options), golden.probabilities);
  });
});

describe("each rule leaves its argument alone", () => {
  test.each(Object.keys(golden.alone))("%s", (rule) => {
    const given = logits.slice();
    apply(rule, given);
    expect(given).toEqual(logits);
  });
});

test("top-k keeps what ties with the k-th, and everything when k is large", () => {
  expect(Array.from(keepTopK(Float64Array.of(1, 3, 2, 2), 2))).toEqual([none, 3, 2, 2]);
  expect(Array.from(keepTopK(Float64Array.of(1, 2), 9))).toEqual([1, 2]);
});

test("top-p keeps at least one", () => {
  expect(Array.from(keepTopP(Float64Array.of(1, 3, 2), 0))).toEqual([none, 3, none]);
});

test("top-p of a vocabulary is what sorting gives, equals and −∞ among them", () => {
  const list = fc.array(
    fc.oneof(fc.integer({ min: -4, max: 4 }), fc.double({ min: -9, max: 9, noNaN: true }), fc.constant(none)),
    {
      minLength: 1,
      maxLength: 50,
    },
  );
  fc.assert(
    fc.property(list, fc.double({ min: 0, max: 0.999, noNaN: true }), (values, p) => {
      fc.pre(values.some((x) => x > none));
      const probabilities = probabilitiesOf(Float64Array.from(values));
      const ascending = Array.from(values.keys()).sort(
        (a, b) => (probabilities[a] as number) - (probabilities[b] as number),
      );
      let sum = 0;
      let isClose = false; // to the boundary, where rounding decides
      const dropped = ascending.slice(0, -1).filter((id) => {
        sum += probabilities[id] as number;
        isClose ||= Math.abs(sum - (1 - p)) < 1e-12;
        return sum <= 1 - p;
      });
      fc.pre(!isClose);
      const expected = values.map((x, id) => (dropped.includes(id) ? none : x));
      expect(Array.from(keepTopP(Float64Array.from(values), p))).toEqual(expected);
    }),
    { numRuns: 500 },
  );
});

test("min-p of 1 keeps the most likely and its equals", () => {
  expect(Array.from(keepMinP(Float64Array.of(3, 1, 3), 1))).toEqual([3, none, 3]);
});

test("a token seen twice is penalized once; ids outside the vocabulary do nothing", () => {
  expect(Array.from(penalizeRepetition(Float64Array.of(2, -2, 0), [0, 0, 1, 7], 2))).toEqual([1, -4, 0]);
});

test("the most likely is the first of equals", () => {
  expect(mostLikely(Float32Array.of(1, 5, 5, 0))).toBe(1);
});

test("probabilities are finite at logits whose exponentials are not", () => {
  expect(Array.from(probabilitiesOf(Float64Array.of(1000, none, 1000)))).toEqual([0.5, 0, 0.5]);
});

const anyOptions: fc.Arbitrary<SamplingOptions> = fc.record({
  temperature: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1e6, noNaN: true })),
  topK: fc.integer({ min: 1, max: 20 }),
  topP: fc.double({ min: 0, max: 1, noNaN: true }),
  minP: fc.double({ min: 0, max: 1, noNaN: true }),
  repetitionPenalty: fc.double({ min: 0.1, max: 10, noNaN: true }),
});

test("any options leave probabilities that sum to one, and the sampler draws a possible token", () => {
  const someLogits = fc.array(fc.oneof(fc.float({ min: -1e4, max: 1e4, noNaN: true }), fc.constant(none)), {
    minLength: 1,
    maxLength: 12,
  });
  fc.assert(
    fc.property(someLogits, anyOptions, fc.integer(), (list, options, seed) => {
      fc.pre(list.some((x) => x > none));
      const x = Float32Array.from(list);
      const p = nextTokenProbabilities(x, [0, 1], options);
      expect(p.reduce((sum, one) => sum + one, 0)).toBeCloseTo(1, 9);
      expect(p.every((one) => one >= 0)).toBe(true);
      expect(p[sampleToken(x, [0, 1], new Rng(seed), options)]).toBeGreaterThan(0);
    }),
    { numRuns: 300 },
  );
});

describe("drawing", () => {
  test("temperature 0 takes the most likely and draws nothing", () => {
    const rng = new Rng(5);
    expect(sampleToken(logits, [], rng)).toBe(3);
    expect(rng.uniform()).toBe(new Rng(5).uniform());
  });

  test("a repetition penalty also counts when greedy", () => {
    expect(sampleToken(logits, [3], new Rng(1), { repetitionPenalty: 1.2 })).toBe(7);
  });

  test("20 000 draws fit the probabilities", () => {
    const options = { temperature: 0.9, topK: 8, repetitionPenalty: 1.1 };
    const p = nextTokenProbabilities(logits, seen, options);
    const rng = new Rng(2024);
    const counts = new Float64Array(logits.length);
    const draws = 20_000;
    for (let i = 0; i < draws; i++) {
      const id = sampleToken(logits, seen, rng, options);
      counts[id] = (counts[id] as number) + 1;
    }
    const possible = Array.from(p.keys()).filter((id) => (p[id] as number) > 0);
    const chiSquare = possible.reduce((sum, id) => {
      const expected = draws * (p[id] as number);
      return sum + ((counts[id] as number) - expected) ** 2 / expected;
    }, 0);
    expect(counts.reduce((sum, n, id) => sum + (p[id] === 0 ? n : 0), 0)).toBe(0);
    expect(possible.length).toBe(8);
    expect(chiSquare).toBeLessThan(24.3); // 7 degrees of freedom, 1 in 1000
  });

  test("one seed gives one sequence", () => {
    const draw = (seed: number) => {
      const rng = new Rng(seed);
      return Array.from({ length: 50 }, () => sampleToken(logits, [], rng, { temperature: 1.5 }));
    };
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
  });
});

describe("logits that nothing can be drawn from", () => {
  const rng = new Rng(1);

  test("all −∞", () => {
    const excluded = Float32Array.of(none, none);
    for (const options of [{}, { temperature: 1 }]) {
      expect(() => sampleToken(excluded, [], rng, options)).toThrow(
        "sampling: the largest logit is -Infinity, expected a finite number. Every token was excluded: relax the rules.",
      );
    }
  });

  test("NaN, anywhere among them", () => {
    for (const options of [{}, { temperature: 1 }, { temperature: 1, topK: 1 }]) {
      expect(() => sampleToken(Float32Array.of(1, Number.NaN, 3), [], rng, options)).toThrow(
        "sampling: the largest logit is NaN, expected a finite number. The model's weights or inputs hold NaN or infinity.",
      );
    }
  });

  test("+∞", () => {
    for (const options of [{}, { temperature: 1 }]) {
      expect(() => sampleToken(Float32Array.of(1, Infinity), [], rng, options)).toThrow(
        "is Infinity, expected a finite",
      );
    }
  });

  test("none at all", () => {
    expect(() => sampleToken(new Float32Array(0), [], rng)).toThrow("largest logit is -Infinity");
  });
});

test.each([
  [{ temperature: -1 }, "generate: temperature is -1, expected a number of at least 0."],
  [{ temperature: Infinity }, "temperature is Infinity"],
  [{ temperature: Number.NaN }, "temperature is NaN"],
  [{ topK: 0 }, "generate: topK is 0, expected an integer of at least 1."],
  [{ topK: 1.5 }, "topK is 1.5"],
  [{ topP: 1.1 }, "generate: topP is 1.1, expected a number in [0, 1]."],
  [{ minP: -0.1 }, "generate: minP is -0.1, expected a number in [0, 1]."],
  [{ repetitionPenalty: 0 }, "generate: repetitionPenalty is 0, expected a number above 0."],
])("%o is refused", (options, message) => {
  expect(() => checkSamplingOptions(options)).toThrow(message);
});
