import {
  type CostFunction,
  cnnCost,
  decoderCost,
  epochSvg,
  pixelCost,
  planTable,
  type Sides,
  vitCost,
} from "@corenet/multiscale-sampler";
import { openElmConfig } from "@corenet/openelm";
import { defineCommand } from "citty";
import type { BatchPlan, RangeOptions } from "../plan/batch-plan.ts";
import { planImages } from "../plan/plan-images.ts";
import { planText } from "../plan/plan-text.ts";
import { writeText } from "../run/write-text.ts";
import { checkOptions, choiceOption, commonOptions, integerOption, numberOption } from "./options.ts";
import { UsageError } from "./usage-error.ts";

const samplerNames = ["curriculum", "variable", "fixed-batch", "fixed"] as const;
const openElmNames = ["270M", "450M", "1.1B", "3B"] as const;

const number = (description: string) => ({ type: "string", valueHint: "N", description }) as const;
const choice = (valueHint: string, description: string) =>
  ({ type: "string", valueHint, description }) as const;

const options = {
  data: choice("images|text", "What is sampled. images where nothing is said."),
  sampler: choice(
    samplerNames.join("|"),
    "One size; sizes with one batch, or with the batch that costs the same; or these growing. curriculum where nothing is said.",
  ),
  samples: number("Images in an epoch, or tokens of the whole training. 1281167, or 1e9."),
  epochs: number("Epochs of the training, or equal parts of it. 300, or 20."),
  base: number("The one side in pixels, or length in tokens, to compare with. 224, or 2048."),
  batch: number("Samples in a batch at the base. 128, or 8."),
  min: number("The smallest side, or length. 128, or 256."),
  max: number("The greatest. 320, or 2048."),
  "start-max": number("The greatest at the start of a curriculum. 160, or 256."),
  "grow-until": number("Where in the training a curriculum is grown, in (0, 1]. 0.5."),
  shape: choice("linear|cosine", "How it grows. linear."),
  divisor: number("All sides, or lengths, are multiples. 32, or 256."),
  count: number("How many evenly spaced sides, or lengths. 5."),
  spacing: choice(
    "doubling|even",
    "Of lengths: the divisor doubled again and again, or evenly spaced. doubling.",
  ),
  cost: choice(
    "pixels|cnn|vit|openelm",
    "What a sample costs: its area, or a model's FLOPs. cnn, or openelm.",
  ),
  macs: number("Of a cnn at 224 pixels: multiply-adds of a forward pass. 4.0892e9, a ResNet-50's."),
  "fixed-macs": number("Of these, those that do not grow with the image. 2048000, a classifier's."),
  dim: number("Width of a vit. 768."),
  layers: number("Layers of a vit. 12."),
  patch: number("Side of its patches. 16."),
  openelm: choice(openElmNames.join("|"), "Which OpenELM. 270M."),
  seed: number("One seed draws one picture. 0."),
  svg: { type: "string", valueHint: "FILE", description: "Draw which scale each step has." },
  epoch: number("Draw this epoch, from 0, in place of all of a curriculum or the first of others."),
  json: { type: "boolean", description: "Print the plan as JSON." },
  ...commonOptions,
} as const;

/** The command that says what multi-scale sampling will save. */
export const planBatchesCommand = defineCommand({
  meta: {
    name: "plan-batches",
    description:
      "Plan multi-scale variable-batch sampling: updates, FLOPs and savings, without running anything.",
  },
  args: options,
  async run({ args }) {
    checkOptions(args, options);
    const read = new OptionReader(args);
    const data = read.choice("data", ["images", "text"]);
    const { title, plan, steps } = explained(() => (data === "images" ? imagePlan(read) : textPlan(read)));
    const isGrown = read.choice("sampler", samplerNames) === "curriculum";
    const epoch = read.integer("epoch", isGrown ? -1 : 0);
    read.checkAllRead();
    if (epoch >= plan.epochs.length) {
      throw new UsageError(`--epoch is ${epoch} of ${plan.epochs.length}, expected less. Count from 0.`);
    }

    process.stdout.write(
      args.json ? `${JSON.stringify({ title, ...plan })}\n` : `${title}\n\n${planTable(plan)}\n`,
    );
    if (args.svg === undefined) return;
    await writeText(args.svg, epochSvg(steps(epoch < 0 ? undefined : epoch), { title }));
    if (!args.json) process.stdout.write(`\nsteps drawn in ${args.svg}\n`);
  },
});

function imagePlan(read: OptionReader): BatchPlan {
  return planImages({
    sampler: read.choice("sampler", samplerNames),
    samples: read.integer("samples", 1_281_167),
    ...readRange(read, {
      epochs: 300,
      base: 224,
      batch: 128,
      min: 128,
      max: 320,
      startMax: 160,
      divisor: 32,
    }),
    cost: imageCost(read),
    seed: read.integer("seed", 0),
  });
}

function textPlan(read: OptionReader): BatchPlan {
  const sampler = read.choice("sampler", samplerNames);
  if (sampler === "fixed-batch") {
    throw new UsageError(
      "--sampler is fixed-batch, expected fixed, variable or curriculum with --data=text.",
    );
  }
  read.choice("cost", ["openelm"]);
  return planText({
    sampler,
    tokens: read.integer("samples", 1e9),
    ...readRange(read, {
      epochs: 20,
      base: 2048,
      batch: 8,
      min: 256,
      max: 2048,
      startMax: 256,
      divisor: 256,
    }),
    spacing: read.choice("spacing", ["doubling", "even"]),
    cost: decoderCost(openElmConfig(read.choice("openelm", openElmNames))),
    seed: read.integer("seed", 0),
  });
}

function readRange(
  read: OptionReader,
  defaults: Omit<RangeOptions, "count" | "growUntil" | "shape">,
): RangeOptions {
  const whole = (name: keyof typeof options, value: number) => read.integer(name, value);
  return {
    epochs: whole("epochs", defaults.epochs),
    base: whole("base", defaults.base),
    batch: whole("batch", defaults.batch),
    min: whole("min", defaults.min),
    max: whole("max", defaults.max),
    startMax: whole("start-max", defaults.startMax),
    divisor: whole("divisor", defaults.divisor),
    count: whole("count", 5),
    growUntil: read.number("grow-until", 0.5),
    shape: read.choice("shape", ["linear", "cosine"]),
  };
}

function imageCost(read: OptionReader): CostFunction<Sides> {
  switch (read.choice("cost", ["cnn", "vit", "pixels"])) {
    case "cnn":
      return cnnCost({
        macs: read.number("macs", 4.0892e9),
        fixedMacs: read.number("fixed-macs", 2_048_000),
      });
    case "vit":
      return vitCost({
        modelDim: read.integer("dim", 768),
        numLayers: read.integer("layers", 12),
        patchSize: read.integer("patch", 16),
      });
    case "pixels":
      return pixelCost;
  }
}

/** Options with their defaults; knows in the end which were given in vain. */
class OptionReader {
  readonly #args: Readonly<Record<string, unknown>>;
  readonly #read = new Set(["svg", "json", "debug"]);

  constructor(args: Readonly<Record<string, unknown>>) {
    this.#args = args;
  }

  #text(name: keyof typeof options): string | undefined {
    this.#read.add(name);
    const text = this.#args[name];
    return typeof text === "string" ? text : undefined;
  }

  number(name: keyof typeof options, otherwise: number): number {
    return numberOption(name, this.#text(name)) ?? otherwise;
  }

  integer(name: keyof typeof options, otherwise: number): number {
    return integerOption(name, this.#text(name)) ?? otherwise;
  }

  /** One of `words`, the first where nothing was said. */
  choice<W extends string>(name: keyof typeof options, words: readonly [W, ...W[]]): W {
    return choiceOption(name, this.#text(name), words) ?? words[0];
  }

  /** @throws UsageError naming an option that says nothing to this plan */
  checkAllRead(): void {
    for (const name of Object.keys(options)) {
      if (this.#args[name] === undefined || this.#read.has(name)) continue;
      throw new UsageError(`--${name} has no part in this plan, with its --data and --cost. Leave it out.`);
    }
  }
}

/** What cannot be is wrong usage, whoever says it. */
function explained<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(error.message);
    throw error;
  }
}
