// Sums over a workgroup, with subgroups where the device has them and without. SwiftShader's are four wide.
import { webgpu } from "@corenet/backend-webgpu";
import { activeBackend, matMul, softmax, takeData, tensor, useBackend, wgslReduce } from "@corenet/tensor";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { onBackend } from "../../../tools/testing/index.ts";
import { shaderText } from "../src/shader.ts";

const wave = (size: number) => Float32Array.from({ length: size }, (_, i) => Math.sin(i * 1.7));

onBackend("webgpu", () => {
  describe.each([true, false])("subgroups: %s", (subgroups) => {
    const restart = async (options: { subgroups?: boolean }) => {
      activeBackend().dispose?.();
      await new Promise((resolve) => setTimeout(resolve, 50)); // until the loss is told
      await useBackend(webgpu(options));
    };
    beforeAll(() => restart({ subgroups }));
    afterAll(() => restart({}));

    test("softmax of long rows", async () => {
      for (const N of [64, 65, 1000, 2500]) {
        const x = wave(3 * N);
        const y = await takeData(softmax(tensor(x, [3, N])));
        for (let row = 0; row < 3; row++) {
          const powers = Array.from(x.subarray(row * N, (row + 1) * N), Math.exp);
          const total = powers.reduce((sum, power) => sum + power, 0);
          powers.forEach((power, i) => {
            expect((y[row * N + i] as number) / (power / total)).toBeCloseTo(1, 5);
          });
        }
      }
    });

    test("a few rows against rows", async () => {
      for (const [M, K] of [
        [1, 64],
        [2, 131],
        [4, 1280],
      ] as const) {
        const [a, b] = [wave(M * K), wave(7 * K)];
        const y = await takeData(matMul(tensor(a, [M, K]), tensor(b, [7, K]), { transposeB: true }));
        y.forEach((value, i) => {
          let wanted = 0;
          for (let k = 0; k < K; k++)
            wanted += (a[Math.floor(i / 7) * K + k] as number) * (b[(i % 7) * K + k] as number);
          expect(value).toBeCloseTo(wanted, 3);
        });
      }
    });
  });

  test("stand in a shader only where they are wanted, and something is added up", () => {
    const program = { name: "p", reads: {}, writes: { y: "f32" }, workgroupSize: 64 };
    const reducing = { ...program, code: `${wgslReduce} fn main(group: u32, local: u32) {}` };
    const plain = { ...program, code: "fn main(group: u32, local: u32) {}" };
    const has = (one: typeof plain, subgroups: boolean) =>
      /^enable subgroups;.*subgroupAdd/s.test(shaderText(one, { check: 0, subgroups }));
    expect([has(reducing, true), has(reducing, false), has(plain, true)]).toEqual([true, false, false]);
  });
});
