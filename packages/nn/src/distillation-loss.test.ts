import { fill, mul, reshape, type Tensor, tensor, valueAndGrad } from "@corenet/tensor";
import { describe, expect, test } from "vitest";
import {
  expectGradient,
  expectNoLeak,
  loadGolden,
  onBackend,
  onEveryBackend,
} from "../../../tools/testing/index.ts";
import { watchHeap } from "../../../tools/testing/watch-heap.ts";
import { crossEntropy } from "./cross-entropy.ts";
import { type DistillationOptions, distillationLoss, type TopLogits } from "./distillation-loss.ts";

const golden = await loadGolden("nn/distillation");
interface Case {
  readonly temperature: number;
  readonly alpha: number;
  readonly kind: "all" | "top";
  readonly loss: number;
  readonly grad: string;
}
const ids = (...list: number[]): Tensor => tensor(Int32Array.from(list));
const student = [
  [1, 2, 3, 0.5],
  [0, 0, 0, 0],
];
const teacher = [
  [0, 1, 5, -1],
  [2, 0, 0, 1],
];

onEveryBackend(() => {
  describe("PyTorch's kl_div and cross_entropy, and their gradients", () => {
    test.each(golden.json.cases as Case[])("T $temperature, alpha $alpha, $kind", async (one) => {
      const { temperature, alpha, kind, loss, grad } = one;
      const taught: Tensor | TopLogits =
        kind === "all"
          ? golden.tensor("teacher")
          : { logits: golden.tensor("top_logits"), ids: golden.tensor("top_ids") };
      const options = { temperature, alpha, ignoreIndex: golden.json.ignored };
      const { value, grads } = valueAndGrad(
        (p: { s: Tensor }) => distillationLoss(p.s, taught, golden.tensor("targets"), options),
        { s: golden.tensor("student") },
      );
      await expect(value).toBeAllClose([loss], { atol: 1e-5, rtol: 1e-6 });
      await expect(grads.s).toBeAllClose(golden.tensor(grad), { atol: 1e-6, rtol: 1e-5 });
    });
  });

  test("by hand: two words, the teacher sure of neither", async () => {
    // p = (3/4, 1/4), q = (1/2, 1/2): KL = ln 2 − H(p), at twice the logits' temperature.
    const loss = distillationLoss(tensor([[0, 0]]), tensor([[2 * Math.log(3), 0]]), ids(0), { alpha: 1 });
    const divergence = Math.log(2) + 0.75 * Math.log(0.75) + 0.25 * Math.log(0.25);
    await expect(loss).toBeAllClose([4 * divergence], { atol: 1e-6 });
  });

  test("nothing is lost where the student is its teacher but the targets' part", async () => {
    const [s, targets] = [tensor(student), ids(2, 1)];
    await expect(distillationLoss(s, s, targets, { alpha: 1 })).toBeAllClose([0], { atol: 1e-6 });
    const mixed = distillationLoss(s, s, targets, { alpha: 0.75 });
    await expect(mixed).toBeAllClose(mul(crossEntropy(s, targets), 0.25));
  });

  test("a hot teacher teaches as the squared difference of logits", async () => {
    // Hinton et al., eq. 4: for T → ∞ the gradient is (s − t) / V for logits of mean zero, times α.
    const [s, t] = [tensor([[1, -2, 1]]), tensor([[-1, 0.5, 0.5]])];
    const { grads } = valueAndGrad(
      (p: { s: Tensor }) => distillationLoss(p.s, t, ids(0), { temperature: 1000, alpha: 1 }),
      { s },
    );
    await expect(grads.s).toBeAllClose([[2 / 3, -2.5 / 3, 0.5 / 3]], { atol: 2e-3 });
  });

  test("the largest logits alone, when they are all, are the teacher", async () => {
    const top = { logits: tensor([[5, -1, 1, 0]]), ids: tensor(Int32Array.of(2, 3, 1, 0), [1, 4]) };
    const [s, t] = [tensor([student[0] as number[]]), tensor([teacher[0] as number[]])];
    await expect(distillationLoss(s, top, ids(2))).toBeAllClose(distillationLoss(s, t, ids(2)));
  });

  test("a teacher may rule words out", async () => {
    const never = Number.NEGATIVE_INFINITY;
    const loss = distillationLoss(tensor([[0, 0, 0]]), tensor([[0, never, 0]]), ids(0), {
      alpha: 1,
      temperature: 1,
    });
    await expect(loss).toBeAllClose([Math.log(3) - Math.log(2)], { atol: 1e-6 });
  });

  describe("gradients are those of differences", () => {
    const options: DistillationOptions = { temperature: 1.5, alpha: 0.6 };
    test("of all logits", () =>
      expectGradient((p: { s: Tensor }) => distillationLoss(p.s, tensor(teacher), ids(1, 3), options), {
        s: tensor(student),
      }));
    test("of the largest", () => {
      const top = {
        logits: tensor([
          [3, 1],
          [2, 1],
        ]),
        ids: tensor(Int32Array.of(2, 0, 0, 3), [2, 2]),
      };
      return expectGradient(
        (p: { s: Tensor }) => distillationLoss(reshape(p.s, [2, 4]), top, ids(1, -100), options),
        { s: tensor(student) },
      );
    });
  });

  test("no gradient reaches the teacher", async () => {
    const { grads } = valueAndGrad((p: { t: Tensor; s: Tensor }) => distillationLoss(p.s, p.t, ids(1, 3)), {
      t: tensor(teacher),
      s: tensor(student),
    });
    await expect(grads.t).toBeAllClose(Array(8).fill(0), { atol: 0, rtol: 0 });
  });

  test("frees its intermediates", () => {
    const [s, t, targets] = [tensor(student), tensor(teacher), ids(1, 3)];
    expectNoLeak(() => distillationLoss(s, t, targets));
  });

  test("says what does not fit", () => {
    const [s, t, targets] = [tensor(student), tensor(teacher), ids(1, 3)];
    const loss = (options: DistillationOptions) => () => distillationLoss(s, t, targets, options);
    expect(loss({ temperature: 0 })).toThrow("temperature is 0, expected a positive number");
    expect(loss({ alpha: 0 })).toThrow(
      "alpha is 0, expected (0, 1]. Without a teacher's share use crossEntropy.",
    );
    expect(loss({ alpha: 1.5 })).toThrow("alpha is 1.5");
    expect(() =>
      distillationLoss(
        s,
        tensor([
          [1, 2, 3],
          [1, 2, 3],
        ]),
        targets,
      ),
    ).toThrow("teacher has shape [2, 3], expected [2, 4]. Teacher and student must share a vocabulary");
    expect(() => distillationLoss(s, t, ids(1))).toThrow("Give one target for each row of logits.");
    const top = { logits: tensor([[1], [1]]), ids: tensor(Int32Array.of(0, 4), [2, 1]) };
    expect(() => distillationLoss(s, top, targets)).toThrow(
      "the teacher's ids[1, 0] is 4, expected an integer in [0, 4)",
    );
    expect(() => distillationLoss(s, t, ids(-100, -100))).toThrow("every target is -100");
  });
});

onBackend("wasm", () => {
  test("of the logits' size only their gradient is made", () => {
    const [N, V] = [128, 4000];
    const heapOf = (top: boolean) => {
      const s = fill([N, V], 0.5);
      const taught = top
        ? { logits: fill([N, 2], 1), ids: tensor(new Int32Array(2 * N), [N, 2]) }
        : fill([N, V], 1);
      const targets = tensor(new Int32Array(N));
      using heap = watchHeap();
      valueAndGrad((p: { s: Tensor }) => distillationLoss(p.s, taught, targets), { s });
      return heap.peak() / (4 * N * V);
    };
    expect(heapOf(false)).toBeLessThan(1.2);
    expect(heapOf(true)).toBeLessThan(1.2);
  });
});
