import { linear } from "@corenet/nn";
import {
  add,
  mean,
  mul,
  readData,
  square,
  sub,
  sum,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  takeData,
  tensor,
  valueAndGrad,
} from "@corenet/tensor";
import { describe, expect, test } from "vitest";
import { expectNoLeak, onEveryBackend } from "../../../../tools/testing/index.ts";
import { type RandomCodesOptions, randomCodes } from "../../test/random-codes.ts";
import { basisMatrix } from "../codec/basis-matrix.ts";
import { decodeTensor } from "../codec/decode.ts";
import { LfsrCoefficients } from "./lfsr-coefficients.ts";

const wave = (shape: number[], seed = 1): Tensor => {
  const size = shape.reduce((n, side) => n * side, 1);
  return tensor(
    Float32Array.from({ length: size }, (_, i) => Math.sin((i + 1) * (seed + 1.37) * 12.9898)),
    shape,
  );
};

const cases: readonly [string, RandomCodesOptions, number, number][] = [
  ["4 bits", { bits: 4 }, 5, 24],
  ["3 bits, padded rows", { bits: 3 }, 4, 17],
  ["4 bits, flat", { bits: 4, layout: "flat" }, 5, 13],
  ["(5, 2, 9)", { C: 5, P: 2, K: 9 }, 3, 11],
];

onEveryBackend(() => {
  describe.each(cases)("%s", (_, options, rows, columns) => {
    test("the coefficients of codes are their weights, bit for bit, and give the same weights when packed", async () => {
      const codes = randomCodes(rows, columns, options);
      using coefficients = await LfsrCoefficients.create(codes);
      const t = coefficients.initial();
      expect(await readData(coefficients.weights(t))).toEqual(decodeTensor(codes));
      const again = await coefficients.pack(t);
      expect(decodeTensor(again)).toEqual(decodeTensor(codes));
      expect(again.seeds).toEqual(codes.seeds);
    });

    test("what is packed decodes to the weights, wherever the coefficients went", async () => {
      const codes = randomCodes(rows, columns, options);
      using coefficients = await LfsrCoefficients.create(codes);
      for (const factor of [0, 0.37, 3, 1e4]) {
        const t = add(
          mul(coefficients.initial(), factor),
          mul(wave([...coefficients.shape]), 0.3),
        ) as Tensor3D;
        const packed = await coefficients.pack(t);
        expect(await readData(coefficients.weights(t)), `${factor}`).toEqual(decodeTensor(packed));
      }
    });

    test("a step lowers the loss; what is packed after training has it too", async () => {
      const codes = randomCodes(rows, columns, options);
      using coefficients = await LfsrCoefficients.create(codes);
      const x = wave([16, columns]) as Tensor2D;
      const target = linear(
        x,
        mul(tensor(decodeTensor(randomCodes(rows, columns, options)), [rows, columns]), 0.8),
      );
      const lossOf = (w: Tensor2D) => mean(square(sub(linear(x, w), target)));
      let t = coefficients.initial();
      const losses: number[] = [];
      for (let step = 0; step < 12; step++) {
        const { value, grads } = valueAndGrad((p: { t: Tensor3D }) => lossOf(coefficients.weights(p.t)), {
          t,
        });
        losses.push((await takeData(value))[0] as number);
        t = sub(t, mul(grads.t, 0.03)) as Tensor3D;
      }
      expect(losses.at(-1)).toBeLessThan(0.9 * (losses[0] as number));
      const packed = tensor(decodeTensor(await coefficients.pack(t)), [rows, columns]);
      await expect(lossOf(packed)).toBeAllClose(await takeData(lossOf(coefficients.weights(t))));
    });
  });

  test("gradients are those of the bases: dt = Uᵀ dW", async () => {
    const codes = randomCodes(2, 16);
    using coefficients = await LfsrCoefficients.create(codes);
    const upstream = wave([2, 16]);
    const { grads } = valueAndGrad((p: { t: Tensor3D }) => sum(mul(coefficients.weights(p.t), upstream)), {
      t: coefficients.initial(),
    });
    const dW = await readData(upstream);
    const expected = [...codes.seeds].flatMap((seed, block) => {
      const U = basisMatrix(seed, codes.config); // [8, 3]
      return [0, 1, 2].map((p) =>
        Array.from({ length: 8 }, (_, c) => (dW[block * 8 + c] as number) * (U[c * 3 + p] as number)).reduce(
          (a, b) => a + b,
        ),
      );
    });
    await expect(grads.t).toBeAllClose(expected, { atol: 1e-5 });
  });

  test("leaves nothing behind", async () => {
    const codes = randomCodes(3, 16);
    await expectNoLeak(async () => {
      using coefficients = await LfsrCoefficients.create(codes);
      const t = coefficients.initial();
      coefficients.weights(t).dispose();
      t.dispose();
    });
  });
});

test("refuses what float32 cannot hold, and other shapes", async () => {
  await expect(LfsrCoefficients.create(randomCodes(2, 8, { C: 4, P: 2, K: 20 }))).rejects.toThrow("K = 20");
  using coefficients = await LfsrCoefficients.create(randomCodes(2, 8));
  expect(() => coefficients.weights(tensor(new Float32Array(6), [1, 2, 3]))).toThrow("expected [2, 1, 3]");
});
