// What an OpenELM is, in our words; config-json.ts says it in those of a Hugging Face folder.
import { type LayerScaling, type LayerShape, scaleLayers } from "./scale-layers.ts";

export interface OpenElmConfig {
  readonly vocabSize: number;
  /** D */
  readonly modelDim: number;
  /** d */
  readonly headDim: number;
  /** One for each layer. */
  readonly layers: readonly LayerShape[];
  /** Positions that the model is trained for. */
  readonly contextLength: number;
  /** θ of the rotary embedding. */
  readonly ropeBase: number;
  /** How many positions the reference's rotary table holds; ours grows by itself. */
  readonly ropeMaxLength: number;
  /** Whether the head is the embedding itself. */
  readonly tied: boolean;
  readonly rmsNormEps: number;
  /** What the widths of the layers came from; kept for config.json. */
  readonly scaling: LayerScaling;
}

export interface OpenElmOptions extends LayerScaling {
  vocabSize: number;
  /** @default 2048 */
  contextLength?: number;
  /** @default 10000 */
  ropeBase?: number;
  /** @default twice the context */
  ropeMaxLength?: number;
  /** @default true */
  tied?: boolean;
}

/** The published sizes. */
export type OpenElmName = "270M" | "450M" | "1.1B" | "3B";

const published: Readonly<Record<OpenElmName, { numLayers: number; modelDim: number; headDim: number }>> = {
  "270M": { numLayers: 16, modelDim: 1280, headDim: 64 },
  "450M": { numLayers: 20, modelDim: 1536, headDim: 64 },
  "1.1B": { numLayers: 28, modelDim: 2048, headDim: 64 },
  "3B": { numLayers: 36, modelDim: 3072, headDim: 128 },
};

export const RMS_NORM_EPS = 1e-6; // no checkpoint can say otherwise

/**
 * A published configuration by its name, or one from layer-wise scaling of your own.
 *
 * @param source - "270M", "450M", "1.1B", "3B", or options
 * @param overrides - for a name: another vocabulary or context
 * @throws RangeError for an unknown name, or naming the option that cannot be
 * @see Mehta et al. 2024, arXiv:2404.14619, table 1
 */
export function openElmConfig(
  source: OpenElmName | OpenElmOptions,
  overrides: { vocabSize?: number; contextLength?: number } = {},
): OpenElmConfig {
  const options = typeof source === "string" ? { ...publishedOptions(source), ...overrides } : source;
  const { vocabSize, contextLength = 2048, ropeBase = 10000, tied = true } = options;
  const { numLayers, modelDim, headDim, groupSize, qkvMultipliers, ffnMultipliers, ffnDivisor } = options;
  const { ropeMaxLength = 2 * contextLength } = options;
  checkCounts({
    ropeBase,
    ropeMaxLength,
    vocabSize,
    contextLength,
    numLayers,
    modelDim,
    headDim,
    groupSize,
    ffnDivisor,
  });
  if (headDim % 2 !== 0)
    throw new RangeError(`openElmConfig: headDim is ${headDim}, expected an even number: RoPE turns pairs.`);
  const scaling = { numLayers, modelDim, headDim, groupSize, qkvMultipliers, ffnMultipliers, ffnDivisor };
  return {
    vocabSize,
    modelDim,
    headDim,
    layers: scaleLayers(scaling),
    contextLength,
    ropeBase,
    ropeMaxLength,
    tied,
    rmsNormEps: RMS_NORM_EPS,
    scaling,
  };
}

function publishedOptions(name: string): OpenElmOptions {
  const size = Object.hasOwn(published, name) ? published[name as OpenElmName] : undefined;
  if (!size) {
    throw new RangeError(
      `openElmConfig: there is no OpenELM "${name}", expected ${Object.keys(published).join(", ")}.`,
    );
  }
  return {
    ...size,
    vocabSize: 32000,
    groupSize: 4,
    qkvMultipliers: [0.5, 1.0],
    ffnMultipliers: [0.5, 4.0],
    ffnDivisor: 256,
  };
}

function checkCounts(counts: Record<string, number>): void {
  for (const [name, value] of Object.entries(counts)) {
    if (Number.isInteger(value) && value > 0) continue;
    throw new RangeError(`openElmConfig: ${name} is ${value}, expected a positive integer.`);
  }
}
