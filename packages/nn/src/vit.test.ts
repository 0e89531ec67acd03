import { Rng } from "@corenet/core";
import {
  add,
  concat,
  div,
  mapTree,
  mul,
  readData,
  slice,
  sqrt,
  square,
  sub,
  type Tensor,
  type Tensor1D,
  type Tensor4D,
  takeData,
  tensor,
  treeLeaves,
  valueAndGrad,
  zerosLike,
  zipTrees,
} from "@corenet/tensor";
import { expect, test } from "vitest";
import { expectGradient, expectNoLeak, onBackend, onEveryBackend } from "../../../tools/testing/index.ts";
import { crossEntropy } from "./cross-entropy.ts";
import { createVit, type VitParams, vit, vitEncoder } from "./vit.ts";
import { vitConfig } from "./vit-config.ts";

const tiny = vitConfig({
  imageSize: 8,
  patchSize: 4,
  modelDim: 8,
  numHeads: 2,
  numLayers: 1,
  numClasses: 3,
  ffnDim: 12,
});
const small = vitConfig({
  imageSize: 32,
  patchSize: 4,
  modelDim: 16,
  numHeads: 2,
  numLayers: 2,
  numClasses: 5,
});

/** Images in [0, 1] from a seed. */
function images(batch: number, height: number, width: number, seed = 1, channels = 3): Tensor4D {
  const rng = new Rng(seed);
  const values = Float32Array.from({ length: batch * height * width * channels }, () => rng.uniform());
  return tensor(values, [batch, height, width, channels]) as Tensor4D;
}

/** Biases and gains of a fresh model are 0 and 1; here everything counts. */
async function unequalParams(config: typeof tiny): Promise<VitParams> {
  const params = await createVit(config, new Rng(3));
  const rng = new Rng(4);
  return mapTree(params, (leaf) => {
    const noise = Float32Array.from({ length: leaf.size }, () => 0.6 * rng.uniform() - 0.3);
    return add(leaf, tensor(noise, leaf.shape));
  });
}

onEveryBackend(() => {
  test.each(["classToken", "mean"] as const)(
    "pooling %s: every parameter has its gradient",
    async (pooling) => {
      const config = { ...tiny, pooling };
      const params = await unequalParams(config);
      const batch = images(2, 8, 8);
      await expectGradient((p: VitParams) => vit(batch, p, config), params, { elements: 2 });
    },
  );

  test("positions have their gradient through another image size", async () => {
    const params = await unequalParams(tiny);
    const batch = images(1, 12, 4);
    const { positions, ...rest } = params;
    await expectGradient((p: { positions: typeof positions }) => vit(batch, { ...rest, ...p }, tiny), {
      positions,
    });
  });

  test.each([
    [24, 24],
    [32, 32],
    [40, 40],
    [4, 64],
  ])("takes images of %i x %i pixels with one set of parameters", async (height, width) => {
    const params = await createVit(small, new Rng(1));
    const { value, grads } = valueAndGrad(
      (p: VitParams) =>
        crossEntropy(vit(images(3, height, width), p, small), tensor(Int32Array.of(0, 1, 4)) as Tensor1D),
      params,
    );
    expect(vit(images(3, height, width), params, small).shape).toEqual([3, 5]);
    expect((await readData(value))[0]).toBeCloseTo(Math.log(5), 0);
    for (const grad of treeLeaves<Tensor>(grads)) {
      expect((await readData(grad)).every(Number.isFinite)).toBe(true);
      expect((await readData(square(grad))).some((x) => x > 0)).toBe(true);
    }
  });

  test("each image is judged by itself", async () => {
    const params = await createVit(small, new Rng(1));
    const [a, b] = [images(1, 24, 32, 1), images(1, 24, 32, 2)];
    const together = vit(concat([a, b]), params, small);
    await expect(slice(together, [1, 0], [1, 5])).toBeAllClose(vit(b, params, small), { atol: 1e-6 });
  });

  test("a seed makes one model, whatever the pooling and the number of layers before", async () => {
    const one = await createVit(small, new Rng(7));
    const again = await createVit({ ...small, pooling: "mean", numLayers: 1 }, new Rng(7));
    await expect(one.head.weight).toBeAllClose(again.head.weight, { atol: 0, rtol: 0 });
    expect("classToken" in again).toBe(false);
    const other = await createVit(small, new Rng(8));
    await expect(expect(one.head.weight).toBeAllClose(other.head.weight)).rejects.toThrow();
  });

  test("says what does not fit", async () => {
    const params = await createVit(tiny, new Rng(1));
    expect(() => vit(images(1, 10, 8), params, tiny)).toThrow(
      "vit: the images are 10 x 8 pixels, expected multiples of the patch of 4. Resize them to 12 x 8.",
    );
    expect(() => vit(images(1, 8, 8, 1, 1), params, tiny)).toThrow(
      "vit: images has shape [1, 8, 8, 1], expected [1, 8, 8, 3]. The last side holds the channels.",
    );
    const { classToken: _, ...rest } = params;
    expect(() => vit(images(1, 8, 8), rest, tiny)).toThrow('Add one [8], or use pooling "mean"');
    const patches = tensor(new Float32Array(24), [1, 3, 8]) as Parameters<typeof vitEncoder>[0];
    expect(() => vitEncoder(patches, params, tiny, { rows: 2, columns: 2 })).toThrow(
      "vitEncoder: patches has shape [1, 3, 8], expected [1, 4, 8]. They fill the grid.",
    );
  });

  test("frees its intermediates, forward and backward, at any size", async () => {
    const params = await createVit(small, new Rng(1));
    const targets = tensor(Int32Array.of(1, 2)) as Tensor1D;
    for (const side of [32, 24]) {
      const batch = images(2, side, side);
      expectNoLeak(() => vit(batch, params, small));
      expectNoLeak(() => valueAndGrad((p: VitParams) => crossEntropy(vit(batch, p, small), targets), params));
    }
    await expectNoLeak(() => createVit(small, new Rng(1)));
  });
});

/** A square, a disc, a cross or a ring of random place, size and color on a dark ground. */
function drawShape(kind: number, side: number, rng: Rng): number[] {
  const radius = side * (0.2 + 0.15 * rng.uniform());
  const center = () => side * (0.35 + 0.3 * rng.uniform());
  const [cy, cx] = [center(), center()];
  const color = [0, 1, 2].map(() => 0.4 + 0.6 * rng.uniform());
  const inside = [
    (y: number, x: number) => Math.max(Math.abs(y), Math.abs(x)) < 0.85,
    (y: number, x: number) => Math.hypot(y, x) < 1,
    (y: number, x: number) =>
      Math.min(Math.abs(y), Math.abs(x)) < 0.3 && Math.max(Math.abs(y), Math.abs(x)) < 1,
    (y: number, x: number) => Math.abs(Math.hypot(y, x) - 0.8) < 0.25,
  ][kind] as (y: number, x: number) => boolean;
  return Array.from({ length: side * side }, (_, i) => {
    const filled = inside((Math.floor(i / side) + 0.5 - cy) / radius, ((i % side) + 0.5 - cx) / radius);
    return color.map((c) => (filled ? c : 0.1 * rng.uniform()));
  }).flat();
}

onBackend("wasm", () => {
  test("learns 32 drawn shapes by heart", async () => {
    const [count, side] = [32, 16];
    const config = vitConfig({
      imageSize: side,
      patchSize: 4,
      modelDim: 32,
      numHeads: 2,
      numLayers: 2,
      numClasses: 4,
    });
    const rng = new Rng(5);
    const kinds = Int32Array.from({ length: count }, (_, i) => i % 4);
    const pixels = Float32Array.from([...kinds].flatMap((kind) => drawShape(kind, side, rng)));
    const batch = tensor(pixels, [count, side, side, 3]) as Tensor4D;
    const targets = tensor(kinds) as Tensor1D;

    let params = await createVit(config, new Rng(1));
    let [m, v] = [mapTree(params, zerosLike), mapTree(params, zerosLike)];
    let loss = Number.POSITIVE_INFINITY;
    for (let step = 1; step <= 150 && loss > 0.02; step++) {
      const { value, grads } = valueAndGrad(
        (p: VitParams) => crossEntropy(vit(batch, p, config), targets),
        params,
      );
      const [correction1, correction2] = [1 - 0.9 ** step, 1 - 0.99 ** step];
      m = zipTrees([m, grads], ([a, g]) => add(mul(a as Tensor, 0.9), mul(g as Tensor, 0.1)));
      v = zipTrees([v, grads], ([a, g]) => add(mul(a as Tensor, 0.99), mul(square(g as Tensor), 0.01)));
      params = zipTrees([params, m, v], ([w, a, b]) => {
        const root = sqrt(div(b as Tensor, correction2));
        return sub(w as Tensor, mul(div(div(a as Tensor, correction1), add(root, 1e-8)), 3e-3));
      });
      loss = (await takeData(value))[0] as number;
    }

    const logits = await readData(vit(batch, params, config));
    const predicted = Array.from(kinds, (_, i) => {
      const row = [...logits.subarray(4 * i, 4 * i + 4)];
      return row.indexOf(Math.max(...row));
    });
    expect(predicted).toEqual([...kinds]);
    expect(loss).toBeLessThan(0.1);
  });
});
