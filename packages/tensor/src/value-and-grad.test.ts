import { describe, expect, test } from "vitest";
import { expectGradient, expectNoLeak, onEveryBackend } from "../../../tools/testing/index.ts";
import { tidy } from "./memory.ts";
import { defineOp } from "./op.ts";
import { add, mul, sub } from "./ops/arithmetic.ts";
import { scalar, tensor } from "./ops/create.ts";
import { exp, relu, sigmoid, square } from "./ops/elementwise.ts";
import { greater } from "./ops/logic.ts";
import { matMul } from "./ops/mat-mul.ts";
import { mean, softmax, sum } from "./ops/reduce.ts";
import { cast, clone, reshape } from "./ops/shape.ts";
import { withoutGradient } from "./tape.ts";
import type { Tensor, Tensor1D } from "./types.ts";
import { customGradient, valueAndGrad } from "./value-and-grad.ts";

onEveryBackend(() => {
  test("value and gradient by hand: d/dx Σx² = 2x", async () => {
    const { value, grads } = valueAndGrad((x: Tensor1D) => sum(square(x)), tensor([1, 2, 3]));
    await expect(value).toBeAllClose(14);
    await expect(grads).toBeAllClose([2, 4, 6]);
  });

  test("a tree of parameters gets a tree of gradients", async () => {
    const params = {
      layers: [
        {
          w: tensor([
            [1, 2],
            [3, 4],
          ]),
        },
        { w: tensor([[0.5], [-1]]) },
      ],
      b: scalar(2),
    };
    const x = tensor([
      [1, -1],
      [2, 0.5],
      [0, 1],
    ]);
    const loss = (p: typeof params) => {
      const [first, second] = p.layers as { w: Tensor }[];
      return mean(square(add(matMul(sigmoid(matMul(x, first?.w as Tensor)), second?.w as Tensor), p.b)));
    };
    await expectGradient(loss, params);
    const { grads } = valueAndGrad(loss, params);
    expect(grads.layers[0]?.w.shape).toEqual([2, 2]);
    expect(grads.b.shape).toEqual([]);
  });

  test("a parameter that the loss does not use, or uses unrecorded, gets zeros", async () => {
    const params = {
      used: tensor([1, 2]),
      unused: tensor([[3]]),
      stopped: tensor([4, 5]),
      compared: tensor([1, 0]),
    };
    const { grads } = valueAndGrad((p: typeof params) => {
      const scaled = mul(
        p.used,
        withoutGradient(() => mul(p.stopped, 2)),
      );
      return sum(mul(scaled, cast(greater(p.compared, 0.5), "float32")));
    }, params);
    await expect(grads.used).toBeAllClose([8, 0]);
    await expect(grads.unused).toBeAllClose([[0]]);
    await expect(grads.stopped).toBeAllClose([0, 0]);
    await expect(grads.compared).toBeAllClose([0, 0]);
  });

  test("a tensor that is used twice gets the sum of both ways", async () => {
    const { grads } = valueAndGrad((x: Tensor) => sum(add(mul(x, x), add(x, x))), tensor([1, 2]));
    await expect(grads).toBeAllClose([4, 6]);
  });

  test("one tensor in two places of the tree gets its whole gradient in both", async () => {
    const shared = tensor([1, 2]);
    const params = { a: shared, b: shared };
    const { grads } = valueAndGrad((p: typeof params) => sum(mul(p.a, mul(p.b, 3))), params);
    await expect(grads.a).toBeAllClose([6, 12]);
    await expect(grads.b).toBeAllClose([6, 12]);
    expect(grads.a).not.toBe(grads.b);
  });

  test("a loss that is the parameter itself, or a constant", async () => {
    const x = scalar(3);
    const own = valueAndGrad((p: Tensor) => p, x);
    await expect(own.grads).toBeAllClose(1);
    own.value.dispose();
    await expect(x).toBeAllClose(3); // the value was a tensor of its own
    const constant = valueAndGrad(() => scalar(5), x);
    await expect(constant.value).toBeAllClose(5);
    await expect(constant.grads).toBeAllClose(0);
  });

  test("works inside tidy, and with tidy inside the loss", async () => {
    const x = tensor([1, 2]);
    const { value, grads } = tidy(() => valueAndGrad((p: Tensor) => tidy(() => sum(exp(mul(p, 2)))), x));
    await expect(value).toBeAllClose(Math.exp(2) + Math.exp(4));
    await expect(grads).toBeAllClose([2 * Math.exp(2), 2 * Math.exp(4)]);
  });

  test("leaves only the value and the gradients", () => {
    const params = {
      w: tensor([
        [1, 2],
        [3, 4],
      ]),
      b: tensor([1, 2]),
    };
    const x = tensor([[1, 2]]);
    const loss = (p: typeof params) => mean(square(softmax(relu(add(matMul(x, p.w), p.b)))));
    expectNoLeak(() => valueAndGrad(loss, params));
    expectNoLeak(() => tidy(() => valueAndGrad(loss, params)));
  });

  test("a loss that throws leaks nothing, and the next one works", async () => {
    const x = tensor([1, 2]);
    expectNoLeak(() => {
      const failing = () =>
        valueAndGrad((p: Tensor) => {
          const y = exp(square(p));
          if (y) throw new RangeError("in the middle");
          return sum(y);
        }, x);
      expect(failing).toThrow("in the middle");
    });
    await expect(valueAndGrad((p: Tensor) => sum(p), x).grads).toBeAllClose([1, 1]);
  });

  test("a backward pass that throws leaks nothing, and the next one works", async () => {
    const x = tensor([1, 2]);
    const broken = (p: Tensor) =>
      customGradient(
        "broken",
        [p],
        () => square(p),
        ({ save }) => {
          save(p);
          return () => {
            throw new RangeError("on the way back");
          };
        },
      );
    expectNoLeak(() =>
      expect(() => valueAndGrad((p: Tensor) => sum(exp(broken(exp(p)))), x)).toThrow("on the way back"),
    );
    await expect(valueAndGrad((p: Tensor) => sum(p), x).grads).toBeAllClose([1, 1]);
  });

  test("a gradient of the wrong shape or dtype names the op", () => {
    const x = tensor([1, 2]);
    const wrong = (gradient: () => Tensor) => () =>
      valueAndGrad(
        (p: Tensor) =>
          sum(
            customGradient(
              "myOp",
              [p],
              () => clone(p),
              () => () => [gradient()],
            ),
          ),
        x,
      );
    expectNoLeak(() => {
      expect(wrong(() => scalar(1))).toThrow(
        "myOp: the gradient is float32 [], expected float32 [2]. Mend the op's gradient.",
      );
      expect(wrong(() => tensor(Int32Array.of(1, 2)))).toThrow(
        "myOp: the gradient is int32 [2], expected float32 [2].",
      );
    });
  });

  test("refuses a loss that is no scalar", () => {
    const x = tensor([1, 2]);
    expectNoLeak(() => {
      expect(() => valueAndGrad((p: Tensor) => square(p), x)).toThrow(
        "valueAndGrad: the loss has shape [2], expected []. Reduce it with mean or sum.",
      );
      expect(() => valueAndGrad((p: Tensor) => reshape(sum(p), [1]), x)).toThrow(
        "the loss has shape [1], expected []",
      );
    });
    expect(() => valueAndGrad(() => undefined as never, x)).toThrow(
      "valueAndGrad: the loss is undefined, expected a tensor",
    );
    expect(() => valueAndGrad(() => 3 as never, x)).toThrow("valueAndGrad: the loss is a number");
    expect(() => valueAndGrad((async () => sum(x)) as never, x)).toThrow(
      "valueAndGrad: the loss is a Promise",
    );
  });

  test("refuses a loss that is no float32", () => {
    expect(() => valueAndGrad((p: Tensor) => cast(sum(p), "int32"), tensor([1]))).toThrow(
      "valueAndGrad: the loss is int32, expected float32",
    );
  });

  test("refuses parameters that are disposed, not float32 or no tensors, by their path", () => {
    const gone = tensor([1]);
    gone.dispose();
    const loss = () => scalar(1);
    expect(() => valueAndGrad(loss, { a: [gone] })).toThrow(
      "valueAndGrad: a.0 of shape [1] was disposed before",
    );
    expect(() => valueAndGrad(loss, { a: tensor(Int32Array.of(1)) })).toThrow(
      "valueAndGrad: a is int32, expected float32",
    );
    expect(() => valueAndGrad(loss, { a: { b: 1 as never } })).toThrow(
      "valueAndGrad: a.b is a number, expected a tensor",
    );
    expect(() => valueAndGrad(loss, tensor(Int32Array.of(1)))).toThrow("valueAndGrad: params is int32");
  });

  test("refuses second derivatives", async () => {
    const x = tensor([1, 2]);
    const nested = () =>
      valueAndGrad((p: Tensor) => sum(valueAndGrad((q: Tensor) => sum(square(q)), p).grads), x);
    expectNoLeak(() =>
      expect(nested).toThrow("valueAndGrad: called inside another valueAndGrad, expected one at a time."),
    );
    await expect(valueAndGrad((p: Tensor) => sum(p), x).grads).toBeAllClose([1, 1]);
  });

  describe("customGradient", () => {
    test("gives the gradient that it was given", async () => {
      const straightThrough = (x: Tensor) =>
        customGradient(
          "round",
          [x],
          () => cast(cast(x, "int32"), "float32"),
          () => (dy) => [mul(dy, 10)],
        );
      const { value, grads } = valueAndGrad((p: Tensor) => sum(straightThrough(p)), tensor([1.5, 2.5]));
      await expect(value).toBeAllClose(3);
      await expect(grads).toBeAllClose([10, 10]);
    });

    test("asks only for the gradients that are needed", () => {
      const seen: (readonly boolean[])[] = [];
      const [a, b] = [tensor([1]), tensor([2])];
      const op = (x: Tensor, y: Tensor) =>
        customGradient(
          "op",
          [x, y],
          () => mul(x, y),
          ({ needs }) => {
            seen.push(needs);
            return (dy) => [needs[0] && clone(dy), needs[1] && clone(dy)];
          },
        );
      valueAndGrad((p: Tensor) => sum(op(p, b)), a);
      valueAndGrad((p: Tensor) => sum(op(a, p)), b);
      expect(seen).toEqual([
        [true, false],
        [false, true],
      ]);
    });
  });

  describe("defineOp", () => {
    const axpy = defineOp<readonly [Tensor, Tensor], readonly [Tensor, Tensor], { alpha: number }>({
      name: "axpy",
      reference: ([x, y], { alpha }) => [add(mul(x, alpha), y), sub(x, y)],
      gradient: ({ dy: [d0, d1], attrs, needs, inputs: [x] }) => [
        needs[0] ? add(d0 ? mul(d0, attrs.alpha) : mul(x, 0), d1 ? d1 : mul(x, 0)) : null,
        needs[1] ? sub(d0 ? d0 : mul(x, 0), d1 ? d1 : mul(x, 0)) : null,
      ],
    });
    const params = { x: tensor([1, 2]), y: tensor([3, -1]) };

    test("computes all outputs, and frees what the reference makes", async () => {
      const [a, b] = axpy([params.x, params.y], { alpha: 3 });
      await expect(a).toBeAllClose([6, 5]);
      await expect(b).toBeAllClose([-2, 3]);
      expectNoLeak(() => axpy([params.x, params.y], { alpha: 3 }));
      expect(axpy.implementation()).toBe("reference");
    });

    test("has its gradient, through one output or both", async () => {
      await expectGradient((p: typeof params) => axpy([p.x, p.y], { alpha: 3 })[0], params);
      await expectGradient((p: typeof params) => axpy([p.x, p.y], { alpha: 3 })[1], params);
      await expectGradient((p: typeof params) => mul(...axpy([p.x, p.y], { alpha: 3 })), params);
      const loss = (p: typeof params) => sum(mul(...axpy([p.x, p.y], { alpha: 3 })));
      expectNoLeak(() => valueAndGrad(loss, params));
    });

    test("says so when it has no gradient", async () => {
      const plain = defineOp<readonly [Tensor], readonly [Tensor]>({
        name: "plain",
        reference: ([x]) => [square(x)],
      });
      await expect(plain([params.x], {})[0]).toBeAllClose([1, 4]);
      expectNoLeak(() =>
        expect(() => valueAndGrad((p: Tensor) => sum(plain([p], {})[0]), params.x)).toThrow(
          "plain: this op has no gradient. Keep it outside valueAndGrad",
        ),
      );
      const outside = (p: Tensor) => sum(withoutGradient(() => plain([p], {})[0]));
      await expect(valueAndGrad(outside, params.x).grads).toBeAllClose([0, 0]);
    });

    test("refuses a disposed input", () => {
      const gone = tensor([1]);
      gone.dispose();
      expect(() => axpy([gone, gone], { alpha: 1 })).toThrow(
        "axpy: an input of shape [1] was disposed before",
      );
    });
  });

  test("tf.grads cannot be mixed in", async () => {
    const tf = await import("@tensorflow/tfjs-core");
    const x = tensor([1, 2]);
    const mixed = () => tf.grad((p) => sum(square(p as never)) as never)(x as never);
    expect(mixed).toThrow(
      "square: TensorFlow.js is recording its own gradients, which cannot see this op. Use valueAndGrad",
    );
  });
});
