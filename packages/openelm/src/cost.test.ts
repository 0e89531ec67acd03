import { expect, test } from "vitest";
import { type OpenElmName, openElmConfig } from "./config.ts";
import { cacheFloatsPerToken, countMultiplyAdds } from "./cost.ts";

// Computed from the widths of the published models: per token, per token and key, prefills in G, cache floats.
const published: readonly [OpenElmName, number, number, number, number, number][] = [
  ["270M", 271_482_880, 32_256, 126.524, 607.443, 8_064],
  ["450M", 457_113_600, 46_592, 221.139, 1030.976, 11_648],
  ["1.1B", 1_079_771_136, 86_528, 542.037, 2440.144, 21_632],
  ["3B", 3_036_413_952, 167_936, 1548.434, 6721.722, 41_984],
];

test.each(published)(
  "%s costs what its widths say",
  (name, perToken, perKey, prefill512, prefill2048, cache) => {
    const config = openElmConfig(name);
    const decode = (pastTokens: number) => countMultiplyAdds(config, { newTokens: 1, pastTokens });
    expect(decode(1) - decode(0)).toBe(perKey);
    expect(decode(0) - perKey).toBe(perToken);
    const prefill = (newTokens: number) => countMultiplyAdds(config, { newTokens, logits: "last" }) / 1e9;
    expect(prefill(512)).toBeCloseTo(prefill512, 3);
    expect(prefill(2048)).toBeCloseTo(prefill2048, 3);
    expect(cacheFloatsPerToken(config)).toBe(cache);
  },
);

test("reading in chunks costs as much as reading at once, but for keys not yet there", () => {
  const config = openElmConfig("270M");
  const whole = countMultiplyAdds(config, { newTokens: 8 });
  const parts =
    countMultiplyAdds(config, { newTokens: 5 }) + countMultiplyAdds(config, { newTokens: 3, pastTokens: 5 });
  expect(whole - parts).toBe(5 * 3 * 32_256); // the first five need not look at the last three
});
