import { range, reshape, type Tensor4D, tensor, tensor1d } from "@corenet/tensor";
import { expect, test } from "vitest";
import { expectGradient, expectNoLeak, onEveryBackend } from "../../../tools/testing/index.ts";
import { patchEmbedding, patchGrid, patchWeight } from "./patch-embedding.ts";

/** Pixel (row, column) of channel c is 100 row + 10 column + c. */
function numbered(height: number, width: number, channels: number): Tensor4D {
  const pixels = Array.from({ length: height }, (_, y) =>
    Array.from({ length: width }, (_, x) => Array.from({ length: channels }, (_, c) => 100 * y + 10 * x + c)),
  );
  return tensor([pixels]) as Tensor4D;
}

onEveryBackend(() => {
  test("reads each patch by row, column and channel, and the patches row after row", async () => {
    const identity = Array.from({ length: 8 }, (_, i) =>
      Array.from({ length: 8 }, (_, j) => Number(i === j)),
    );
    const params = { weight: tensor(identity), bias: tensor1d(new Array(8).fill(0)) };
    const y = patchEmbedding(numbered(4, 6, 2), params, { patchSize: 2 });
    expect(y.shape).toEqual([1, 6, 8]);
    const patch = (row: number, column: number) =>
      [0, 1, 10, 11, 100, 101, 110, 111].map((pixel) => 200 * row + 20 * column + pixel);
    await expect(y).toBeAllClose([
      [patch(0, 0), patch(0, 1), patch(0, 2), patch(1, 0), patch(1, 1), patch(1, 2)],
    ]);
  });

  test("is a convolution of that stride, by hand", async () => {
    // One channel, 2 x 2 kernel [[1, 2], [3, 4]], bias 0.5.
    const kernel = tensor([
      [
        [
          [1, 2],
          [3, 4],
        ],
      ],
    ]) as Tensor4D;
    const params = { weight: patchWeight(kernel), bias: tensor1d([0.5]) };
    const image = reshape(tensor([1, 0, 0, 1, 0, 0, 1, 0]), [1, 2, 4, 1]);
    await expect(patchEmbedding(image, params, { patchSize: 2 })).toBeAllClose([[[1.5], [5.5]]]);
  });

  test("turns a checkpoint's kernel [D, C, P, P] to [D, P P C]", async () => {
    const kernel = reshape(range(0, 12), [1, 3, 2, 2]);
    await expect(patchWeight(kernel)).toBeAllClose(
      tensor([[0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]], [1, 12], "int32"),
    );
  });

  test("gradients reach weight, bias and images", async () => {
    const params = {
      weight: tensor([
        [0.5, -1, 2, 0.25],
        [1, 0, -0.5, 1.5],
      ]),
      bias: tensor1d([1, -1]),
      images: tensor(
        Float32Array.from({ length: 16 }, (_, i) => Math.sin(i)),
        [2, 2, 4, 1],
      ) as Tensor4D,
    };
    await expectGradient((p: typeof params) => patchEmbedding(p.images, p, { patchSize: 2 }), params);
  });

  test("names sides that do not fit, and some that do", () => {
    expect(() => patchGrid("vit", { height: 30, width: 33 }, 4)).toThrow(
      "vit: the images are 30 x 33 pixels, expected multiples of the patch of 4. Resize them to 32 x 32.",
    );
    expect(() => patchGrid("vit", { height: 0, width: 1 }, 4)).toThrow("Resize them to 4 x 4");
    expect(() => patchGrid("vit", { height: 8, width: 8 }, 0)).toThrow("patchSize is 0");
    const params = { weight: tensor([[1, 2, 3, 4]]), bias: tensor1d([0]) };
    expect(() => patchEmbedding(numbered(3, 2, 1), params, { patchSize: 2 })).toThrow(
      "patchEmbedding: the images are 3 x 2 pixels",
    );
    expect(() => patchEmbedding(numbered(2, 2, 3), params, { patchSize: 2 })).toThrow(
      "linear: x has shape [1, 1, 12], expected [1, 1, 4]",
    );
  });

  test("frees its intermediates", () => {
    const params = { weight: tensor([[1, 2, 3, 4]]), bias: tensor1d([0]) };
    const images = numbered(4, 4, 1);
    expectNoLeak(() => patchEmbedding(images, params, { patchSize: 2 }));
    const kernel = tensor(new Float32Array(8), [2, 1, 2, 2]) as Tensor4D;
    expectNoLeak(() => patchWeight(kernel));
  });
});
