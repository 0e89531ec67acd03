import { type Tensor, type Tensor4D, tensor } from "@corenet/tensor";
import { expect, test } from "vitest";
import { onBackend } from "../../../../../tools/testing/index.ts";
import { attentionGradOp, attentionOp } from "./op.ts";

const noise = (shape: readonly [number, number, number, number], seed: number): Tensor4D => {
  const size = shape.reduce((product, side) => product * side, 1);
  return tensor(
    Float32Array.from({ length: size }, (_, i) => Math.sin(i * 1.3 + seed * i * 0.01)),
    shape,
  );
};

onBackend("webgpu", () => {
  test.each([
    { d: 80, T: 70, past: 3 },
    { d: 128, T: 5, past: 90 },
    { d: 192, T: 1, past: 40 },
  ])("heads wider than a workgroup, rows longer than a piece: %o", async ({ d, T, past }) => {
    const S = past + T;
    const attrs = { causal: true, length: S, validFrom: [2] };
    const [q, dy] = [noise([1, 4, T, d], 1), noise([1, 4, T, d], 2)];
    const [k, v] = [noise([1, 2, S + 3, d], 3), noise([1, 2, S + 3, d], 4)];
    const [y, lse] = attentionOp([q, k, v], attrs);
    await expect(y).toBeAllClose(attentionOp.definition.reference([q, k, v], attrs)[0], { atol: 2e-5 });
    const grads = attentionGradOp([q, k, v, y, lse, dy], attrs);
    const wanted = attentionGradOp.definition.reference([q, k, v, y, lse, dy], attrs);
    for (const [i, grad] of grads.entries()) {
      await expect(grad).toBeAllClose(wanted[i] as Tensor, { atol: 5e-5 });
    }
  });
});
