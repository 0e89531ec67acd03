import { expect, test } from "vitest";
import { expectNoLeak, onEveryBackend } from "../../../tools/testing/index.ts";
import { checkpoint } from "./checkpoint.ts";
import { memory } from "./memory.ts";
import { add, mul } from "./ops/arithmetic.ts";
import { tensor } from "./ops/create.ts";
import { exp, square, tanh } from "./ops/elementwise.ts";
import { matMul } from "./ops/mat-mul.ts";
import { mean, sum } from "./ops/reduce.ts";
import type { Tensor } from "./types.ts";
import { customGradient, valueAndGrad } from "./value-and-grad.ts";

type Layer = { w: Tensor; b: Tensor };

const layerOf = ({ x, layer: { w, b } }: { x: Tensor; layer: Layer }): Tensor => tanh(add(matMul(x, w), b));

const start = (n: number, seed: number): Tensor =>
  tensor(
    Float32Array.from({ length: n * n }, (_, i) => 0.5 * Math.sin(i * seed + seed)),
    [n, n],
  );

const params = () => ({
  x: start(4, 1.1),
  layers: [2.3, 3.7, 4.1].map((seed) => ({ w: start(4, seed), b: tensor([0.1, 0.2, 0.3, seed]) })),
});

onEveryBackend(() => {
  test("gives the value and every gradient, one layer inside another too", async () => {
    const plain = valueAndGrad(({ x, layers }) => {
      let y = x;
      for (const layer of layers) y = layerOf({ x: y, layer });
      return sum(mul(square(y), y));
    }, params());
    const saved = valueAndGrad(({ x, layers }) => {
      const [first, ...rest] = layers;
      const tail = checkpoint(
        (p: { x: Tensor; rest: Layer[] }) => {
          let y = p.x;
          for (const layer of p.rest) y = checkpoint(layerOf, { x: y, layer });
          return y;
        },
        { x: layerOf({ x, layer: first as Layer }), rest },
      );
      return sum(mul(square(tail), tail));
    }, params());
    await expect(saved.value).toBeAllClose(plain.value);
    await expect(saved.grads.x).toBeAllClose(plain.grads.x);
    for (const [i, layer] of plain.grads.layers.entries()) {
      await expect(saved.grads.layers[i]?.w as Tensor).toBeAllClose(layer.w);
      await expect(saved.grads.layers[i]?.b as Tensor).toBeAllClose(layer.b);
    }
  });

  test("leaves nothing behind, with a gradient and without", () => {
    const p = params();
    const loss = ({ x, layers }: typeof p) => mean(checkpoint(layerOf, { x, layer: layers[0] as Layer }));
    expectNoLeak(() => valueAndGrad(loss, p));
    expectNoLeak(() => checkpoint(layerOf, { x: p.x, layer: p.layers[0] as Layer }));
  });

  test("no gradient reaches what none is wanted for", async () => {
    const ids = tensor(Int32Array.of(1, 2));
    const { grads } = valueAndGrad(
      ({ w }: { w: Tensor }) => sum(checkpoint(({ a, b }) => mul(a, b), { a: w, b: tensor([3, 4]), ids })),
      { w: tensor([1, 2]) },
    );
    await expect(grads.w).toBeAllClose([3, 4]);
  });

  test("keeps its inputs alone for the way back", () => {
    const probe = { plain: 0, saved: 0 };
    const chain = ({ x }: { x: Tensor }) => exp(exp(exp(exp(square(square(mul(x, 0.1)))))));
    const bytesAtTurn = (name: keyof typeof probe) => (y: Tensor) =>
      customGradient(
        "probe",
        [y],
        () => mul(y, 1),
        () => {
          probe[name] = memory().numBytes;
          return (dy) => [dy];
        },
      );
    const x = tensor(new Float32Array(1000).fill(0.1));
    const before = memory().numBytes;
    valueAndGrad((p: { x: Tensor }) => sum(bytesAtTurn("plain")(chain(p))), { x });
    const between = memory().numBytes;
    valueAndGrad((p: { x: Tensor }) => sum(bytesAtTurn("saved")(checkpoint(chain, p))), { x });
    const count = (bytes: number) => Math.round(bytes / 4000);
    expect(count(probe.saved - between)).toBeLessThan(count(probe.plain - before));
  });

  test("says what is missing among the inputs", () => {
    const p = params();
    const loss = ({ x, layers }: typeof p) =>
      mean(checkpoint((inputs: { x: Tensor }) => layerOf({ ...inputs, layer: layers[0] as Layer }), { x }));
    expect(() => valueAndGrad(loss, p)).toThrow("of shape [4, 4] that a gradient is wanted for");
  });
});
