// An OpenELM as the config.json of a Hugging Face folder says it: read, and written.
import { CheckpointError } from "@corenet/core";
import { type OpenElmConfig, RMS_NORM_EPS } from "./config.ts";
import { type LayerScaling, scaleLayers, spreadMultipliers } from "./scale-layers.ts";

/**
 * Reads the config.json of a Hugging Face folder. Given lists of heads win over the derivation.
 *
 * @throws CheckpointError listing everything that is missing, unknown or contradictory
 */
export function parseConfig(json: unknown, file = "config.json"): OpenElmConfig {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw new CheckpointError(`parseConfig: ${file} holds ${describe(json)}, expected an object.`, {
      path: file,
    });
  }
  const fields = new Fields(json as Record<string, unknown>);
  fields.mustBe("model_type", "openelm");
  fields.mustBe("normalization_layer_name", "rms_norm");
  fields.mustBe("normalize_qk_projections", true);
  fields.mustBe("ffn_with_glu", true);
  fields.oneOf("activation_fn_name", ["swish", "silu"]);

  const numLayers = fields.count("num_transformer_layers", { most: MOST_LAYERS });
  const scaling: LayerScaling = {
    numLayers,
    modelDim: fields.count("model_dim"),
    headDim: fields.count("head_dim"),
    groupSize: fields.count("num_gqa_groups"),
    qkvMultipliers: fields.multipliers("qkv_multipliers", numLayers),
    ffnMultipliers: fields.multipliers("ffn_multipliers", numLayers),
    ffnDivisor: fields.count("ffn_dim_divisor"),
  };
  const queryHeads = fields.optionalCounts("num_query_heads", numLayers);
  const kvHeads = fields.optionalCounts("num_kv_heads", numLayers);
  const vocabSize = fields.count("vocab_size");
  const contextLength = fields.count("max_context_length");
  const ropeMaxLength = fields.count("rope_max_length", { fallback: 2 * contextLength });
  const ropeBase = fields.count("rope_freq_constant", { fallback: 10000 });
  const tied = fields.flag("share_input_output_layers", true);
  if (scaling.headDim % 2 !== 0) fields.problem(`head_dim is ${scaling.headDim}, expected an even number`);
  fields.throwIfAny(file);

  const layers = scaleLayers(scaling).map((layer, i) => ({
    numQueryHeads: queryHeads?.[i] ?? layer.numQueryHeads,
    numKvHeads: kvHeads?.[i] ?? layer.numKvHeads,
    ffnDim: layer.ffnDim,
  }));
  layers.forEach(({ numQueryHeads, numKvHeads, ffnDim }, i) => {
    const widest = Math.max(ffnDim, numQueryHeads * scaling.headDim);
    if (widest > MOST) fields.problem(`layer ${i} is ${widest} wide, expected at most ${MOST}`);
    if (numQueryHeads % numKvHeads === 0) return;
    fields.problem(
      `layer ${i} has ${numQueryHeads} query heads on ${numKvHeads} key-value heads, expected a multiple`,
    );
  });
  fields.throwIfAny(file);
  const { modelDim, headDim } = scaling;
  return {
    vocabSize,
    modelDim,
    headDim,
    layers,
    contextLength,
    ropeBase,
    ropeMaxLength,
    tied,
    rmsNormEps: RMS_NORM_EPS,
    scaling,
  };
}

/** The config.json that transformers' remote code, mlx-lm and llama.cpp's converter read. */
export function toConfigJson(
  config: OpenElmConfig,
  dtype: "float32" | "float16" | "bfloat16",
): Record<string, unknown> {
  const { scaling } = config;
  return {
    activation_fn_name: "swish",
    architectures: ["OpenELMForCausalLM"],
    auto_map: {
      AutoConfig: "configuration_openelm.OpenELMConfig",
      AutoModelForCausalLM: "modeling_openelm.OpenELMForCausalLM",
    },
    bos_token_id: 1,
    eos_token_id: 2,
    ffn_dim_divisor: scaling.ffnDivisor,
    ffn_multipliers: listMultipliers(scaling),
    ffn_with_glu: true,
    head_dim: config.headDim,
    initializer_range: 0.02,
    max_context_length: config.contextLength,
    model_dim: config.modelDim,
    model_type: "openelm",
    normalization_layer_name: "rms_norm",
    normalize_qk_projections: true,
    num_gqa_groups: scaling.groupSize,
    num_kv_heads: config.layers.map((layer) => layer.numKvHeads),
    num_query_heads: config.layers.map((layer) => layer.numQueryHeads),
    num_transformer_layers: config.layers.length,
    qkv_multipliers: scaling.qkvMultipliers,
    rope_freq_constant: config.ropeBase,
    rope_max_length: config.ropeMaxLength,
    share_input_output_layers: config.tied,
    torch_dtype: dtype,
    transformers_version: "4.39.3",
    use_cache: true,
    vocab_size: config.vocabSize,
  };
}

/** One for each layer, as converters expect; but two would be read as a pair and rounded, so one number stays one. */
function listMultipliers({ ffnMultipliers, numLayers }: LayerScaling): number | number[] {
  if (typeof ffnMultipliers === "number" && numLayers === 2) return ffnMultipliers;
  return spreadMultipliers("ffnMultipliers", ffnMultipliers, numLayers);
}

/** Reads fields one by one and collects what is wrong, so that the user hears of everything at once. */
class Fields {
  readonly #json: Record<string, unknown>;
  readonly #problems: string[] = [];

  constructor(json: Record<string, unknown>) {
    this.#json = json;
  }

  problem(text: string): void {
    this.#problems.push(text);
  }

  mustBe(name: string, expected: string | boolean): void {
    const value = this.#json[name];
    if (value === undefined && name !== "model_type") return;
    if (value !== expected)
      this.problem(`${name} is ${describe(value)}, expected ${JSON.stringify(expected)}`);
  }

  oneOf(name: string, allowed: readonly string[]): void {
    const value = this.#json[name];
    if (value === undefined || allowed.includes(value as string)) return;
    this.problem(
      `${name} is ${describe(value)}, expected ${allowed.map((one) => JSON.stringify(one)).join(" or ")}`,
    );
  }

  count(name: string, { fallback, most = MOST }: { fallback?: number; most?: number } = {}): number {
    const value = this.#json[name] ?? fallback;
    if (isCount(value) && value <= most) return value;
    const limit = isCount(value) ? ` up to ${most}` : "";
    this.problem(`${name} is ${describe(value)}, expected a positive integer${limit}`);
    return 1;
  }

  flag(name: string, fallback: boolean): boolean {
    const value = this.#json[name] ?? fallback;
    if (typeof value === "boolean") return value;
    this.problem(`${name} is ${describe(value)}, expected true or false`);
    return fallback;
  }

  multipliers(name: string, numLayers: number): number | readonly number[] {
    const value = this.#json[name];
    const isPositive = (x: unknown): x is number => typeof x === "number" && Number.isFinite(x) && x > 0;
    if (isPositive(value)) return value;
    const fits = Array.isArray(value) && value.every(isPositive) && [2, numLayers].includes(value.length);
    if (fits) return value as number[];
    this.problem(
      `${name} is ${describe(value)}, expected a number, a pair, or one number for each of ${numLayers} layers`,
    );
    return 1;
  }

  optionalCounts(name: string, numLayers: number): readonly number[] | undefined {
    const value = this.#json[name];
    if (value === undefined) return undefined;
    if (Array.isArray(value) && value.length === numLayers && value.every(isCount)) return value;
    this.problem(`${name} is ${describe(value)}, expected a list of ${numLayers} positive integers`);
    return undefined;
  }

  throwIfAny(file: string): void {
    if (this.#problems.length === 0) return;
    throw new CheckpointError(
      `parseConfig: ${file} does not describe an OpenELM:\n  ${this.#problems.join("\n  ")}\nCorrect the file, or take another model.`,
      { path: file },
    );
  }
}

const MOST = 2 ** 24; // sizes beyond it cannot be, and must not be allocated
const MOST_LAYERS = 2 ** 12;

function isCount(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) > 0 && (value as number) <= MOST;
}

function describe(value: unknown): string {
  const text = JSON.stringify(value) ?? "missing";
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
