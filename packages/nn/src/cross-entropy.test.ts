import { readData, type Scalar, slice, type Tensor, tensor, valueAndGrad } from "@corenet/tensor";
import { describe, expect, test } from "vitest";
import { expectGradient, expectNoLeak, loadGolden, onEveryBackend } from "../../../tools/testing/index.ts";
import { crossEntropy } from "./cross-entropy.ts";

const golden = await loadGolden("openelm/tiny");
const ids = (...list: number[]): Tensor => tensor(Int32Array.from(list));
const logits = [
  [1, 2, 3, 0.5],
  [0, 0, 0, 0],
  [-1, 4, 0.25, 2],
];
const scalar = async (loss: Scalar): Promise<number> => (await readData(loss))[0] as number;
const logSumExp = (row: number[]) => Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0));

onEveryBackend(() => {
  describe("the reference's tiny model", () => {
    const ignoreIndex = 96;

    test("mean negative log-likelihood of the targets that are not padding", async () => {
      const [y, targets] = [golden.tensor("output.logits"), golden.tensor("input.targets")];
      await expect(crossEntropy(y, targets, { ignoreIndex })).toBeAllClose(
        [golden.tensors.get("output.ce_loss")?.data[0] as number],
        { atol: 1e-5 },
      );
    });

    test("z-loss without the reference's constant of the padding", async () => {
      const [y, targets] = [golden.tensor("output.logits"), golden.tensor("input.targets")];
      const plain = await scalar(crossEntropy(y, targets, { ignoreIndex }));
      const withZ = await scalar(crossEntropy(y, targets, { ignoreIndex, zLoss: 1e-4 }));
      const z = golden.tensors.get("output.z_loss_corrected")?.data[0] as number;
      expect(Math.abs(withZ - plain - z)).toBeLessThan(1e-6);
    });

    test("label smoothing", async () => {
      const [y, targets] = [golden.tensor("output.logits"), golden.tensor("input.targets")];
      const smoothed = crossEntropy(y, targets, { ignoreIndex, labelSmoothing: 0.1 });
      const expected = golden.tensors.get("output.ce_loss_smoothed")?.data[0] as number;
      await expect(smoothed).toBeAllClose([expected], { atol: 1e-5 });
    });
  });

  test("is ln V where nothing is known", async () => {
    await expect(crossEntropy(tensor([logits[1] as number[]]), ids(3))).toBeAllClose(Math.log(4));
  });

  test("by hand, with smoothing and z", async () => {
    const [labelSmoothing, zLoss] = [0.2, 0.01];
    const targets = [2, 0, 1];
    const each = logits.map((row, i) => {
      const total = logSumExp(row);
      const mean = row.reduce((sum, x) => sum + total - x, 0) / row.length;
      const nll = total - (row[targets[i] as number] as number);
      return (1 - labelSmoothing) * nll + labelSmoothing * mean + zLoss * total ** 2;
    });
    const expected = each.reduce((sum, x) => sum + x, 0) / 3;
    const loss = crossEntropy(tensor(logits), ids(...targets), { labelSmoothing, zLoss });
    await expect(loss).toBeAllClose(expected, { atol: 1e-6 });
  });

  test("takes logits and targets of any rank", async () => {
    const flat = await scalar(crossEntropy(tensor(logits), ids(2, 0, 1)));
    const deep = crossEntropy(tensor([[logits]]), tensor(Int32Array.of(2, 0, 1), [1, 1, 3]));
    await expect(deep).toBeAllClose(flat);
    await expect(crossEntropy(tensor([1, 2, 3]), tensor(1, undefined, "int32"))).toBeAllClose(
      logSumExp([1, 2, 3]) - 2,
    );
  });

  test("ignored targets count for nothing, in the loss and in the gradient", async () => {
    const loss = (p: { x: Tensor }) => crossEntropy(p.x, ids(2, -100, 1));
    const { value, grads } = valueAndGrad(loss, { x: tensor(logits) });
    const kept = crossEntropy(tensor([logits[0] as number[], logits[2] as number[]]), ids(2, 1));
    await expect(value).toBeAllClose(kept);
    await expect(slice(grads.x, [1, 0], [1, 4])).toBeAllClose([0, 0, 0, 0], { atol: 0, rtol: 0 });
    await expect(crossEntropy(tensor(logits), ids(2, 3, 1), { ignoreIndex: 3 })).toBeAllClose(kept);
  });

  test("refuses a batch in which every target is ignored", () => {
    const logits = tensor([
      [1, 2],
      [3, 4],
    ]);
    const targets = tensor(Int32Array.of(-100, -100));
    expect(() => crossEntropy(logits, targets)).toThrow(
      "every target is -100, which is ignored, expected at least one",
    );
  });

  test("stays finite at logits whose exponentials are not", async () => {
    const far = tensor([[1000, 0, -1000, 990]]);
    await expect(crossEntropy(far, ids(3))).toBeAllClose(10 + Math.log1p(Math.exp(-10)));
  });

  test("a token that was excluded with −∞ has no part in it", async () => {
    const masked = crossEntropy(tensor([[1, Number.NEGATIVE_INFINITY, 3]]), ids(2));
    await expect(masked).toBeAllClose(Math.log(Math.exp(1) + Math.exp(3)) - 3);
    const rows = tensor([
      [1, Number.NEGATIVE_INFINITY, 3],
      [Number.NEGATIVE_INFINITY, 1, 3],
    ]);
    await expect(crossEntropy(rows, ids(2, -100))).toBeAllClose(Math.log(Math.exp(1) + Math.exp(3)) - 3);
  });

  test("has the gradient of its formula", async () => {
    const params = { x: tensor(logits) };
    await expectGradient((p: typeof params) => crossEntropy(p.x, ids(2, 0, 1)), params);
    const options = { ignoreIndex: 0, labelSmoothing: 0.1, zLoss: 0.05 };
    await expectGradient((p: typeof params) => crossEntropy(p.x, ids(2, 0, 1), options), params);
  });

  test("names the first target outside the vocabulary", () => {
    expect(() => crossEntropy(tensor(logits), ids(2, 4, 9))).toThrow(
      "crossEntropy: targets[1] is 4, expected an integer in [0, 4).",
    );
    expect(() => crossEntropy(tensor(logits), ids(2, -1, 1))).toThrow("targets[1] is -1");
    expect(() => crossEntropy(tensor(logits), ids(2, -100, 1), { ignoreIndex: 0 })).toThrow("is -100");
  });

  test("says where it stands when the targets are a batch", () => {
    const batch = tensor([logits, logits]);
    const targets = tensor(Int32Array.of(0, 0, 0, 0, 7, 0), [2, 3]);
    expect(() => crossEntropy(batch, targets)).toThrow("crossEntropy: targets[1, 1] is 7");
  });

  test("says what does not fit", () => {
    expect(() => crossEntropy(tensor(logits), ids(0, 1))).toThrow("Give one target for each row of logits.");
    expect(() => crossEntropy(tensor(logits), tensor([0, 1, 2]))).toThrow(
      "targets is float32, expected int32",
    );
    expect(() => crossEntropy(tensor(logits), ids(0, 1, 2), { labelSmoothing: 1 })).toThrow(
      "crossEntropy: labelSmoothing is 1, expected [0, 1). Use 0 for none.",
    );
    expect(() => crossEntropy(tensor(logits), ids(0, 1, 2), { labelSmoothing: Number.NaN })).toThrow(
      "is NaN",
    );
  });

  test("frees its intermediates", () => {
    const [x, targets] = [tensor(logits), ids(0, 1, -100)];
    expectNoLeak(() => crossEntropy(x, targets, { labelSmoothing: 0.1, zLoss: 1e-4 }));
    expectNoLeak(() => valueAndGrad((p: { x: Tensor }) => crossEntropy(p.x, targets), { x }));
  });
});
