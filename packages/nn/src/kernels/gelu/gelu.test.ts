import { type Tensor, tensor } from "@corenet/tensor";
import fc from "fast-check";
import { expect, test } from "vitest";
import { onBackend, shape, values } from "../../../../../tools/testing/index.ts";
import { geluGradOp, geluOp } from "./op.ts";

const filled = (options: { extremes?: boolean }) =>
  shape({ minSide: 0, maxSide: 65, maxSize: 4000 }).chain((sides) => {
    const size = sides.reduce((product, side) => product * side, 1);
    return fc.record({
      sides: fc.constant(sides),
      x: values(size, { min: -9, max: 9, ...options }),
      dy: values(size),
    });
  });

for (const backend of ["wasm", "webgpu"] as const)
  onBackend(backend, () => {
    test("kernel and reference agree, gradients too", async () => {
      await fc.assert(
        fc.asyncProperty(filled({}), async ({ sides, x, dy }) => {
          const inputs: [Tensor, Tensor] = [tensor(x, sides), tensor(dy, sides)];
          expect([geluOp.implementation(), geluGradOp.implementation()]).toEqual(["kernel", "kernel"]);
          const close = { atol: 5e-7, rtol: 1e-6 };
          const [y] = geluOp([inputs[0]], {});
          await expect(y).toBeAllClose(geluOp.definition.reference([inputs[0]], {})[0], close);
          const [dx] = geluGradOp(inputs, {});
          await expect(dx).toBeAllClose(geluGradOp.definition.reference(inputs, {})[0], {
            atol: 3e-6,
            rtol: 1e-6,
          });
        }),
        { numRuns: 60 },
      );
    });

    test("kernel and reference agree on NaN, infinities and denormals", async () => {
      await fc.assert(
        fc.asyncProperty(filled({ extremes: true }), async ({ sides, x }) => {
          const [y] = geluOp([tensor(x, sides)], {});
          const [expected] = geluOp.definition.reference([tensor(x, sides)], {});
          await expect(y).toBeAllClose(expected, { atol: 5e-7, rtol: 1e-6 });
        }),
        { numRuns: 60 },
      );
    });
  });
