import { clone, disposeTree, memory, readData, type Tensor, tensor, treeEntries } from "@corenet/tensor";
import fc from "fast-check";
import { expect, test } from "vitest";
import { expectNoLeak, oddSize, onBackend, onEveryBackend, values } from "../../../tools/testing/index.ts";
import { type AdamwStepOptions, adamw, createAdamwState, disposeAdamwState, takeAdamwStep } from "./adamw.ts";
import { type AdamwTensors, adamwUpdate } from "./kernels/adamw-update/op.ts";
import { adamwUpdateReference } from "./kernels/adamw-update/reference.ts";

/** AdamW on plain numbers, in double precision, as in the paper. */
function twin(
  w: number[],
  gradients: number[][],
  options: Required<Omit<AdamwStepOptions, "groups">>,
): number[] {
  const { learningRate, beta1, beta2, eps, weightDecay, gradScale } = options;
  return w.map((start, i) => {
    let [x, m, v] = [start, 0, 0];
    gradients.forEach((gradient, t) => {
      const g = (gradient[i] as number) * gradScale;
      m = beta1 * m + (1 - beta1) * g;
      v = beta2 * v + (1 - beta2) * g * g;
      const mHat = m / (1 - beta1 ** (t + 1));
      const vHat = v / (1 - beta2 ** (t + 1));
      x = x * (1 - learningRate * weightDecay) - (learningRate * mHat) / (Math.sqrt(vHat) + eps);
    });
    return x;
  });
}

onEveryBackend((backend) => {
  test("moves by hand", async () => {
    const params = { w: tensor([[1, -2]]), gain: tensor([1, 1]) };
    const grads = { w: tensor([[0.5, 0]]), gain: tensor([-3, 0]) };
    const state = createAdamwState(params);
    const next = adamw(params, grads, state, { learningRate: 0.1, weightDecay: 0.5 });
    // The first update moves by the learning rate against the sign of the gradient; only the matrix decays.
    await expect(next.params.w).toBeAllClose([[0.95 - 0.1, -1.9]]);
    await expect(next.params.gain).toBeAllClose([1.1, 1]);
    await expect(next.state.m.w as Tensor).toBeAllClose([[0.05, 0]]);
    await expect(next.state.v.gain as Tensor).toBeAllClose([0.45, 0]);
    expect(next.state.step).toBe(1);
    await expect(params.w).toBeAllClose([[1, -2]]); // borrowed
  });

  test("follows a twin in double precision over many steps", async () => {
    const count = backend === "cpu" ? 8 : 25;
    const one = fc.tuple(
      oddSize({ max: 33 }).chain((size) =>
        fc.tuple(values(size), fc.array(values(size), { minLength: 1, maxLength: 6 })),
      ),
      fc.constantFrom(0, 0.1),
      fc.constantFrom(1e-8, 1e-3),
      fc.constantFrom(1, 0.25),
    );
    await fc.assert(
      fc.asyncProperty(one, async ([[start, gradients], weightDecay, eps, gradScale]) => {
        const options = { learningRate: 0.01, beta1: 0.9, beta2: 0.95, eps, weightDecay, gradScale };
        let params = { w: tensor(start, [start.length, 1]) };
        let state = createAdamwState(params);
        for (const gradient of gradients) {
          const grads = { w: tensor(gradient, [start.length, 1]) };
          ({ params, state } = takeAdamwStep(params, grads, state, options));
        }
        const wanted = twin(
          [...start],
          gradients.map((g) => [...g].map((x) => (Math.abs(x) < 1e-30 ? 0 : x))),
          options,
        );
        await expect(params.w).toBeAllClose(
          wanted.map((x) => [x]),
          { atol: 3e-6, rtol: 3e-6 },
        );
        disposeTree(params);
        disposeAdamwState(state);
      }),
      { numRuns: count },
    );
  });

  test("gives each group its rules, by path and leaf", async () => {
    const leaf = () => tensor([[1, 1]]);
    const params = { frozen: leaf(), slow: leaf(), plain: leaf(), bias: tensor([1, 1]) };
    const grads = { frozen: leaf(), slow: leaf(), plain: leaf(), bias: tensor([1, 1]) };
    const options = {
      weightDecay: 0.5,
      groups: [
        { match: (path: string) => path === "frozen", learningRateScale: 0 },
        { match: (path: string) => path === "slow", learningRateScale: 0.1, weightDecay: 0 },
        { match: (_: string, { rank }: Tensor) => rank === 1, weightDecay: 1 },
        { match: (path: string) => path === "slow", learningRateScale: 99 }, // the first that matches holds
      ],
    };
    const state = createAdamwState(params, options);
    expect(Object.keys(state.m)).toEqual(["slow", "plain", "bias"]);
    const next = adamw(params, grads, state, { ...options, learningRate: 0.1 });
    await expect(next.params.frozen).toBeAllClose([[1, 1]], { atol: 0, rtol: 0 });
    expect(next.params.frozen).not.toBe(params.frozen); // the caller may free both
    await expect(next.params.slow).toBeAllClose([[0.99, 0.99]]);
    await expect(next.params.plain).toBeAllClose([[0.85, 0.85]]);
    await expect(next.params.bias).toBeAllClose([0.8, 0.8]);
    expect(Object.keys(next.state.v)).toEqual(["slow", "plain", "bias"]);
  });

  test("frees what it takes over, and nothing of what it borrows", () => {
    const make = () => ({ a: [tensor([[1, 2, 3]]), tensor([1])], b: tensor(2) });
    const options = {
      learningRate: 0.1,
      groups: [{ match: (path: string) => path === "b", learningRateScale: 0 }],
    };
    expectNoLeak(() => {
      const params = make();
      const { params: next, state } = takeAdamwStep(
        params,
        make(),
        createAdamwState(params, options),
        options,
      );
      return { next, m: state.m, v: state.v };
    });
    const [params, grads] = [make(), make()];
    const state = createAdamwState(params);
    expectNoLeak(() => {
      const { params: next, state: after } = adamw(params, grads, state, options);
      return { next, m: after.m, v: after.v };
    });
    expect([...treeEntries<Tensor>({ params, grads, m: state.m })].some(([, leaf]) => leaf.isDisposed)).toBe(
      false,
    );
  });

  test("frees moments that a group froze since", () => {
    const params = { a: tensor([1]), b: tensor([1]) };
    const frozen = {
      learningRate: 0.1,
      groups: [{ match: (path: string) => path === "b", learningRateScale: 0 }],
    };
    expectNoLeak(() => {
      const [w, grads] = [
        { a: clone(params.a), b: clone(params.b) },
        { a: clone(params.a), b: clone(params.b) },
      ];
      const { params: next, state } = takeAdamwStep(w, grads, createAdamwState(w), frozen);
      expect(Object.keys(state.m)).toEqual(["a"]);
      return { next, m: state.m, v: state.v };
    });
  });

  test("frees all when a gradient does not fit", () => {
    const before = memory().numTensors;
    const params = { a: tensor([1, 2]), b: tensor([1, 2]) };
    const grads = { a: tensor([1, 2]), b: tensor([1, 2, 3]) };
    const state = createAdamwState(params);
    expect(() => adamw(params, grads, state, { learningRate: 1 })).toThrow(
      "adamw: the gradient of b has shape [3], expected [2]. It must fit its parameter.",
    );
    expect(memory().numTensors).toBe(before + 8);
    expect(() => takeAdamwStep(params, grads, state, { learningRate: 1 })).toThrow(
      "takeAdamwStep: the gradient of b",
    );
    expect(memory().numTensors).toBe(before);
  });

  test("says what is wrong", () => {
    const params = { a: tensor([1]) };
    const state = createAdamwState(params);
    const step = (options: AdamwStepOptions) => () => adamw(params, params, state, options);
    expect(step({ learningRate: -1 })).toThrow(
      "adamw: learningRate is -1, expected a number in [0, Infinity)",
    );
    expect(step({ learningRate: 1, beta1: 1 })).toThrow("adamw: beta1 is 1, expected a number in [0, 1)");
    expect(step({ learningRate: 1, gradScale: Number.NaN })).toThrow("gradScale is NaN");
    expect(step({ learningRate: 1, groups: [{ match: () => true, weightDecay: -1 }] })).toThrow(
      "weightDecay of a is -1",
    );
    expect(() => adamw(params, params, { step: 0, m: {}, v: {} }, { learningRate: 1 })).toThrow(
      "the state has no moments of a, expected them for every parameter that is not frozen. Make the state with createAdamwState",
    );
    expect(() => createAdamwState({ ids: tensor(Int32Array.of(1)) })).toThrow(
      "createAdamwState: ids is int32",
    );
  });
});

onBackend("wasm", () => {
  test("the kernel runs, and equals its reference nearly to the bit", async () => {
    expect(adamwUpdate.implementation()).toBe("kernel");
    const attrs = {
      ...{ learningRate: 3e-3, beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.1 },
      ...{ correction1: 1 - 0.9 ** 3, correction2: 1 - 0.95 ** 3, gradScale: 0.7 },
    };
    await fc.assert(
      fc.asyncProperty(
        oddSize({ min: 0, max: 65 }).chain((n) =>
          fc.tuple(values(n), values(n), values(n), values(n, { min: 0 })),
        ),
        async ([w, grad, m, v]) => {
          const inputs: AdamwTensors = [tensor(w), tensor(grad), tensor(m), tensor(v)];
          const fast = adamwUpdate(inputs, attrs);
          const slow = adamwUpdateReference(inputs, attrs);
          for (const [i, out] of fast.entries()) {
            await expect(out).toBeAllClose(await readData(slow[i] as Tensor), { atol: 1e-12, rtol: 1e-6 });
          }
          for (const tensor of [...inputs, ...fast, ...slow]) tensor.dispose();
        },
      ),
      { numRuns: 40 },
    );
  });
});
