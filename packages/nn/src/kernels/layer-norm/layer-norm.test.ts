import { type Tensor, type Tensor1D, tensor } from "@corenet/tensor";
import fc from "fast-check";
import { expect, test } from "vitest";
import { oddSize, onBackend, values } from "../../../../../tools/testing/index.ts";
import { layerNormGradOp, layerNormOp } from "./op.ts";

const smooth = { atol: 2e-5, rtol: 1e-4 };
const leadingSides = fc.array(fc.integer({ min: 0, max: 12 }), { maxLength: 3 });

for (const backend of ["wasm", "webgpu"] as const)
  onBackend(backend, () => {
    test("kernel and reference agree, gradients too", async () => {
      const cases = fc
        .record({ leading: leadingSides, D: oddSize({ max: 65 }), eps: fc.constantFrom(1e-2, 0.5) })
        .chain(({ leading, D, eps }) => {
          const rows = leading.reduce((product, side) => product * side, 1);
          return fc.record({
            sizes: fc.constant({ sides: [...leading, D], D, eps }),
            x: values(rows * D, { min: -2, max: 2 }),
            dy: values(rows * D, { min: -2, max: 2 }),
            gain: values(D, { min: -2, max: 2 }),
            offset: values(D, { min: -2, max: 2 }),
          });
        });
      await fc.assert(
        fc.asyncProperty(cases, async ({ sizes: { sides, D, eps }, ...numbers }) => {
          expect([layerNormOp.implementation(), layerNormGradOp.implementation()]).toEqual([
            "kernel",
            "kernel",
          ]);
          const x = tensor(numbers.x, sides);
          const [weight, bias] = [
            tensor(numbers.gain, [D]) as Tensor1D,
            tensor(numbers.offset, [D]) as Tensor1D,
          ];
          const attrs = { eps }; // not tiny: in a row that is all but constant every rounding would count
          const expected = layerNormOp.definition.reference([x, weight, bias], attrs);
          const got = layerNormOp([x, weight, bias], attrs);
          for (const [i, output] of got.entries())
            await expect(output).toBeAllClose(expected[i] as Tensor, smooth);

          const [, mean, inverse] = expected;
          const inputs = [x, weight, mean, inverse, tensor(numbers.dy, sides)] as const;
          const grads = layerNormGradOp([...inputs], {});
          const expectedGrads = layerNormGradOp.definition.reference([...inputs], {});
          for (const [i, grad] of grads.entries())
            await expect(grad).toBeAllClose(expectedGrads[i] as Tensor, smooth);
        }),
        { numRuns: 60 },
      );
    });

    test("sums the gradients of 20,000 rows to 1e-6", async () => {
      const [rows, D] = [20_000, 6];
      const x = Float32Array.from({ length: rows * D }, (_, i) => Math.sin(i * 1.7));
      const ones = Float32Array.from({ length: rows * D }, () => 0.1);
      const weight = tensor(new Float32Array(D).fill(1), [D]) as Tensor1D;
      const input = tensor(x, [rows, D]);
      const [, mean, inverse] = layerNormOp([input, weight, weight], { eps: 1e-6 });
      const [, , dBias] = layerNormGradOp([input, weight, mean, inverse, tensor(ones, [rows, D])], {});
      await expect(dBias).toBeAllClose(new Array(D).fill(rows * Math.fround(0.1)), { atol: 0, rtol: 1e-6 });
    });
  });
