import { readFile } from "node:fs/promises";
import { CheckpointError } from "@corenet/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type OpenElmConfig, openElmConfig } from "./config.ts";
import { parseConfig, toConfigJson } from "./config-json.ts";

type Json = Record<string, unknown>;
const folder = new URL("../../../golden/openelm/tiny-hf/", import.meta.url);
const tiny: Json = JSON.parse(await readFile(new URL("config.json", folder), "utf8"));
const without = (name: string): Json =>
  Object.fromEntries(Object.entries(tiny).filter(([key]) => key !== name));

describe("config.json", () => {
  test("of the reference's folder is understood", () => {
    const config = parseConfig(tiny);
    expect(config.layers.map((layer) => layer.numQueryHeads)).toEqual([2, 4, 4, 6]);
    expect(config.layers.map((layer) => layer.numKvHeads)).toEqual([1, 2, 2, 3]);
    expect(config.layers.map((layer) => layer.ffnDim)).toEqual([24, 40, 56, 72]);
    expect([config.vocabSize, config.modelDim, config.headDim, config.contextLength]).toEqual([
      97, 48, 16, 32,
    ]);
    expect([config.ropeMaxLength, config.ropeBase, config.tied]).toEqual([64, 10000, true]);
  });

  test("of the reference's folder is written again as it is", () => {
    expect(toConfigJson(parseConfig(tiny), "float32")).toEqual(tiny);
  });

  test("says how the weights are stored", () => {
    expect(toConfigJson(parseConfig(tiny), "bfloat16").torch_dtype).toBe("bfloat16");
  });

  test.each(["270M", "450M", "1.1B", "3B"] as const)("of %s comes back as the same model", (name) => {
    const { scaling, ...config } = openElmConfig(name);
    const { scaling: again, ...parsed } = parseConfig(
      JSON.parse(JSON.stringify(toConfigJson({ scaling, ...config }, "bfloat16"))),
    );
    expect(parsed).toEqual(config);
    expect({ ...again, ffnMultipliers: scaling.ffnMultipliers }).toEqual(scaling); // the pair is spread in the file
  });

  test("of any model comes back as the same widths", () => {
    const multiplier = fc.double({ min: 0.2, max: 3, noNaN: true });
    const multipliers = fc.oneof(multiplier, fc.tuple(multiplier, multiplier));
    const any = fc.record({
      numLayers: fc.integer({ min: 1, max: 6 }),
      modelDim: fc.integer({ min: 8, max: 512 }),
      headDim: fc.constantFrom(2, 16, 64),
      groupSize: fc.integer({ min: 1, max: 4 }),
      qkvMultipliers: multipliers,
      ffnMultipliers: multipliers,
      ffnDivisor: fc.integer({ min: 1, max: 64 }),
      vocabSize: fc.integer({ min: 1, max: 50_000 }),
      contextLength: fc.integer({ min: 1, max: 4096 }),
      tied: fc.boolean(),
    });
    const widths = ({ scaling, ...config }: OpenElmConfig) => config;
    fc.assert(
      fc.property(any, (options) => {
        const config = openElmConfig(options);
        expect(widths(parseConfig(toConfigJson(config, "float32")))).toEqual(widths(config));
      }),
    );
  });

  test("may leave out what has one meaning", () => {
    const optional = [
      "num_query_heads",
      "num_kv_heads",
      "rope_max_length",
      "rope_freq_constant",
      "share_input_output_layers",
      "activation_fn_name",
      "normalization_layer_name",
      "normalize_qk_projections",
      "ffn_with_glu",
    ];
    const bare = Object.fromEntries(Object.entries(tiny).filter(([key]) => !optional.includes(key)));
    expect(parseConfig(bare)).toEqual(parseConfig(tiny));
  });

  test("may give the feed-forward multipliers as a number, a pair or a list", () => {
    const widths = (ffn_multipliers: unknown) =>
      parseConfig({ ...tiny, ffn_multipliers }).layers.map((l) => l.ffnDim);
    expect(widths([0.5, 1.5])).toEqual([24, 40, 56, 72]);
    expect(widths(1)).toEqual([48, 48, 48, 48]);
    expect(widths([1, 2, 3, 4])).toEqual([48, 96, 144, 192]);
  });

  test("wins over the derivation where it lists the heads", () => {
    const config = parseConfig({ ...tiny, num_query_heads: [6, 6, 6, 6], num_kv_heads: [3, 3, 3, 3] });
    expect(config.layers.map((layer) => layer.numQueryHeads)).toEqual([6, 6, 6, 6]);
    expect(config.layers.map((layer) => layer.numKvHeads)).toEqual([3, 3, 3, 3]);
    expect(parseConfig({ ...tiny, activation_fn_name: "silu" }).layers.length).toBe(4);
  });

  test("is told everything that is wrong at once", () => {
    const broken: Json = {
      ...without("model_dim"),
      model_type: "llama",
      head_dim: 15,
      num_transformer_layers: "4",
      activation_fn_name: "gelu",
      normalization_layer_name: "layer_norm",
      vocab_size: -1,
      share_input_output_layers: 1,
      ffn_multipliers: [1, "2"],
    };
    let message = "";
    try {
      parseConfig(broken, "there/config.json");
    } catch (error) {
      expect(error).toBeInstanceOf(CheckpointError);
      message = (error as Error).message;
    }
    const expected = [
      "parseConfig: there/config.json does not describe an OpenELM:",
      '  model_type is "llama", expected "openelm"',
      '  normalization_layer_name is "layer_norm", expected "rms_norm"',
      '  activation_fn_name is "gelu", expected "swish" or "silu"',
      '  num_transformer_layers is "4", expected a positive integer',
      "  model_dim is missing, expected a positive integer",
      '  ffn_multipliers is [1,"2"], expected a number, a pair, or one number for each of 1 layers',
      "  num_kv_heads is [1,2,2,3], expected a list of 1 positive integers",
      "  num_query_heads is [2,4,4,6], expected a list of 1 positive integers",
      "  vocab_size is -1, expected a positive integer",
      "  share_input_output_layers is 1, expected true or false",
      "  head_dim is 15, expected an even number",
      "Correct the file, or take another model.",
    ];
    expect(message.split("\n").toSorted()).toEqual(expected.toSorted());
  });

  test.each([
    [null, "holds null"],
    [[1], "holds [1]"],
    ["x", 'holds "x"'],
    [undefined, "holds missing"],
  ])("is no object when it is %j", (json, saw) => {
    expect(() => parseConfig(json)).toThrow(`parseConfig: config.json ${saw}, expected an object.`);
  });

  test("cannot ask for heads that do not divide, or sizes that cannot be", () => {
    const heads = { ...tiny, num_query_heads: [2, 4, 4, 5], num_kv_heads: [1, 2, 2, 3] };
    expect(() => parseConfig(heads)).toThrow(
      "layer 3 has 5 query heads on 3 key-value heads, expected a multiple",
    );
    expect(() => parseConfig({ ...tiny, num_gqa_groups: null })).toThrow("num_gqa_groups is");
    expect(() => parseConfig({ ...tiny, ffn_with_glu: false })).toThrow(
      "ffn_with_glu is false, expected true",
    );
    expect(() => parseConfig({ ...tiny, vocab_size: 1e12 })).toThrow("vocab_size is 1000000000000");
    expect(() => parseConfig({ ...tiny, ffn_multipliers: [1, 1, 1, 1e300] })).toThrow("layer 3");
    expect(() => parseConfig({ ...tiny, qkv_multipliers: [], num_query_heads: undefined })).toThrow(
      "qkv_multipliers is []",
    );
  });

  test("of more layers than an array has places is refused before anything is made of it", () => {
    const bare = {
      ...tiny,
      num_transformer_layers: 2 ** 33,
      num_query_heads: undefined,
      num_kv_heads: undefined,
    };
    expect(() => parseConfig({ ...bare, ffn_multipliers: 1 })).toThrow(
      "num_transformer_layers is 8589934592",
    );
  });

  test("of random contents never does worse than a CheckpointError", () => {
    const value = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.constantFrom(
        0,
        -1,
        0.5,
        1e9,
        2 ** 24,
        1e300,
        "4",
        null,
        true,
        [],
        [1, 2],
        [0.5, 1.5],
        {},
      ) as fc.Arbitrary<unknown>,
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.keys(tiny)),
        value,
        fc.constantFrom(...Object.keys(tiny)),
        value,
        (a, x, b, y) => {
          try {
            const config = parseConfig({ ...tiny, [a]: x, [b]: y });
            expect(config.layers.every((layer) => Number.isSafeInteger(layer.ffnDim * config.modelDim))).toBe(
              true,
            );
          } catch (error) {
            if (!(error instanceof CheckpointError)) throw error;
          }
        },
      ),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(fc.jsonValue(), (json) => {
        expect(() => parseConfig(json)).toThrow(CheckpointError);
      }),
    );
  });
});
