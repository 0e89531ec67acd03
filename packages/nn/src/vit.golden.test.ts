// Our blocks against CoreNet's VisionTransformer: its convolutional stem is put together here, the rest is ours.
import {
  abs,
  add,
  type Conv2dOptions,
  cast,
  conv2d,
  div,
  exp,
  log,
  maximum,
  mean,
  mul,
  reshape,
  rsqrt,
  slice,
  square,
  sub,
  sum,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
  tensor,
  tidy,
  transpose,
  valueAndGrad,
} from "@corenet/tensor";
import { expect, test } from "vitest";
import { loadGolden, onEveryBackend } from "../../../tools/testing/index.ts";
import { convWeight } from "./conv.ts";
import { encoderBlock } from "./encoder-block.ts";
import { gelu } from "./gelu.ts";
import { linear } from "./linear.ts";
import { poolTokens, type VitEncoderParams, vitEncoder } from "./vit.ts";
import { type VitConfig, vitConfig } from "./vit-config.ts";

const golden = await loadGolden("clip/vit");
const goldenTrain = await loadGolden("clip/vit-train");

const { d, heads, ffn, layers, classes, eps, batch_norm } = golden.json.config;
const config = vitConfig({
  imageSize: 224, // 14 x 14 positions
  patchSize: 16,
  modelDim: d,
  numHeads: heads,
  numLayers: layers,
  ffnDim: ffn,
  numClasses: classes,
  interpolation: "flattened",
  layerNormEps: eps,
});

/** Parameters under the reference's names. */
type Named = Readonly<Record<string, Tensor>>;

function named(source: typeof golden, prefix: "param" | "grad"): Named {
  const names = [...source.tensors.keys()].filter(
    (name) => name.startsWith(`${prefix}.`) && !name.includes("running_"),
  );
  return Object.fromEntries(names.map((name) => [name.slice(prefix.length + 1), source.tensor(name)]));
}

const get = <T extends Tensor>(params: Named, name: string): T => params[name] as T;

/** Our tree; the gradients flow through to the reference's names. */
function encoderParams(params: Named): VitEncoderParams {
  const affine = (name: string) => ({
    weight: get<Tensor1D>(params, `${name}.weight`),
    bias: get<Tensor1D>(params, `${name}.bias`),
  });
  const dense = (name: string) => ({
    weight: get<Tensor2D>(params, `${name}.weight`),
    bias: get<Tensor1D>(params, `${name}.bias`),
  });
  return {
    classToken: reshape(get(params, "cls_token"), [d]),
    positions: reshape(get(params, "pos_embed.pos_embed.pos_embed"), [196, d]),
    layers: Array.from({ length: layers }, (_, i) => ({
      attentionNorm: affine(`transformer.${i}.pre_norm_mha.0`),
      qkv: dense(`transformer.${i}.pre_norm_mha.1.qkv_proj`),
      attentionOut: dense(`transformer.${i}.pre_norm_mha.1.out_proj`),
      feedForwardNorm: affine(`transformer.${i}.pre_norm_ffn.0`),
      up: dense(`transformer.${i}.pre_norm_ffn.1`),
      down: dense(`transformer.${i}.pre_norm_ffn.4`),
    })),
    norm: affine("post_transformer_norm"),
  };
}

/** The mean and variance that batch norm i divides by. */
type Statistics = (x: Tensor4D, i: number) => { center: Tensor; variance: Tensor };

const ofTheBatch: Statistics = (x) => {
  const center = mean(x, { axis: [0, 1, 2] });
  return { center, variance: mean(square(sub(x, center)), { axis: [0, 1, 2] }) };
};

const running: Statistics = (_x, i) => ({
  center: golden.tensor(`param.patch_emb.${i}.block.norm.running_mean`),
  variance: golden.tensor(`param.patch_emb.${i}.block.norm.running_var`),
});

/** Convolutions 4 x 4 (padding 1), 2 x 2 and 2 x 2, each of its own width as stride: [B, H, W, 3] to [B, H/16, W/16, D]. */
function stem(images: Tensor4D, params: Named, statistics: Statistics): Tensor4D {
  const convolve = (x: Tensor4D, i: number, options: Conv2dOptions): Tensor4D => {
    const name = `patch_emb.${i}.block.conv`;
    const bias = params[`${name}.bias`] as Tensor1D | undefined;
    return conv2d(x, convWeight(get<Tensor4D>(params, `${name}.weight`)), {
      ...options,
      ...(bias && { bias }),
    });
  };
  const normalize = (x: Tensor4D, i: number): Tensor4D => {
    const { center, variance } = statistics(x, i);
    const unit = mul(sub(x, center), rsqrt(add(variance, batch_norm.eps)));
    const name = `patch_emb.${i}.block.norm`;
    return add(mul(unit, get(params, `${name}.weight`)), get(params, `${name}.bias`)) as Tensor4D;
  };
  const first = gelu(normalize(convolve(images, 0, { stride: 4, padding: 1 }), 0));
  const second = gelu(normalize(convolve(first, 1, { stride: 2 }), 1));
  return convolve(second, 2, { stride: 2 });
}

interface Outputs {
  readonly stem: Tensor4D;
  readonly tokens: Tensor3D;
  readonly logits: Tensor2D;
  /** [B, h, w, D] */
  readonly features: Tensor4D;
  readonly pooled: Tensor2D;
}

function forward(
  images: Tensor4D,
  params: Named,
  statistics: Statistics,
  choice: VitConfig = config,
): Outputs {
  const embedded = stem(images, params, statistics);
  const [B, rows, columns, D] = embedded.shape;
  const grid = { rows, columns };
  const patches = reshape(embedded, [B, rows * columns, D]);
  const tokens = vitEncoder(patches, encoderParams(params), choice, grid);
  const pooled = poolTokens(tokens, choice);
  const bias = get<Tensor1D>(params, "classifier.bias");
  const logits = linear(pooled, get<Tensor2D>(params, "classifier.weight"), { bias });
  const skip = choice.pooling === "mean" ? 0 : 1;
  const features = reshape(slice(tokens, [0, skip, 0], [B, rows * columns, D]), [B, rows, columns, D]);
  return { stem: embedded, tokens, logits, features, pooled };
}

/** [B, 3, H, W] bytes to [B, H, W, 3] in [0, 1]. */
const imagesOf = (bytes: Tensor): Tensor4D =>
  transpose(div(cast(bytes, "float32"), 255) as Tensor4D, [0, 2, 3, 1]);

const channelsFirst = (x: Tensor4D): Tensor4D => transpose(x, [0, 3, 1, 2]);

/** Sum over classes of the binary cross-entropy with logits, mean over the batch. */
function binaryCrossEntropy(logits: Tensor2D, targets: Tensor): Tensor {
  const softplus = log(add(exp(mul(abs(logits), -1)), 1));
  const each = add(sub(maximum(logits, 0), mul(logits, targets)), softplus);
  return div(sum(each), logits.shape[0]);
}

const close = { atol: 2e-5, rtol: 1e-4 };

onEveryBackend(() => {
  test("gives the reference's tokens, block by block, and logits", async () => {
    const params = named(golden, "param");
    const out = forward(imagesOf(golden.tensor("input.image")), params, running);
    await expect(channelsFirst(out.stem)).toBeAllClose(golden.tensor("output.stem.2"), close);
    await expect(out.tokens).toBeAllClose(golden.tensor("output.norm"), close);
    await expect(out.logits).toBeAllClose(golden.tensor("output.logits"), close);
    await expect(channelsFirst(out.features)).toBeAllClose(golden.tensor("output.image_embeddings"), close);

    const ours = encoderParams(params);
    let x = golden.tensor("output.tokens") as Tensor3D;
    for (const [i, layer] of ours.layers.entries()) {
      x = encoderBlock(x, layer, config);
      await expect(x).toBeAllClose(golden.tensor(`output.block.${i}`), close);
    }
  });

  test("gives the reference's features of 48 x 80 pixels, from resized positions", async () => {
    const images = imagesOf(golden.tensor("input.image.48x80"));
    const out = forward(images, named(golden, "param"), running);
    await expect(out.logits).toBeAllClose(golden.tensor("output.48x80.logits"), close);
    await expect(channelsFirst(out.features)).toBeAllClose(
      golden.tensor("output.48x80.image_embeddings"),
      close,
    );
  });

  test("gives the reference's features of 224 x 224 pixels, from the positions as they are", async () => {
    const pixel = (y: number, x: number, c: number) =>
      (37 * c + 3 * y + 5 * x + ((x * y) % 11) + 29 * Math.floor(x / 16) + 53 * Math.floor(y / 16)) % 256;
    const values = Float32Array.from({ length: 224 * 224 * 3 }, (_, i) => {
      const place = Math.floor(i / 3);
      return pixel(Math.floor(place / 224), place % 224, i % 3) / 255;
    });
    const out = forward(tensor(values, [1, 224, 224, 3]) as Tensor4D, named(golden, "param"), running);
    await expect(out.logits).toBeAllClose(golden.tensor("output.224.logits"), close);
    await expect(channelsFirst(out.features)).toBeAllClose(
      golden.tensor("output.224.image_embeddings"),
      close,
    );
  });

  test("without a class token, gives the reference's mean of the patches", async () => {
    const images = imagesOf(golden.tensor("input.image.48x80"));
    const out = forward(images, named(golden, "param"), running, { ...config, pooling: "mean" });
    await expect(out.pooled).toBeAllClose(golden.tensor("output.no-class-token.pooled"), close);
    await expect(out.logits).toBeAllClose(golden.tensor("output.no-class-token.logits"), close);
    await expect(channelsFirst(out.features)).toBeAllClose(
      golden.tensor("output.no-class-token.features"),
      close,
    );
  });

  test.each([
    ["running statistics", golden, running],
    ["statistics of the batch", goldenTrain, ofTheBatch],
  ] as const)("gives the reference's loss and every gradient, with %s", async (_, source, statistics) => {
    const images = imagesOf(source.tensor("input.image"));
    const targets = cast(source.tensor("input.targets"), "float32");
    const { value, grads } = valueAndGrad(
      (params: Named) => tidy(() => binaryCrossEntropy(forward(images, params, statistics).logits, targets)),
      named(source, "param"),
    );
    await expect(value).toBeAllClose(reshape(source.tensor("output.loss"), []), close);
    const expected = named(source, "grad");
    expect(Object.keys(grads).sort()).toEqual(Object.keys(expected).sort());
    for (const [name, grad] of Object.entries(expected)) {
      await expect(get(grads, name)).toBeAllClose(grad, { atol: 2e-5, rtol: 1e-3 });
    }
  });
});
