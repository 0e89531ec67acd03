import { wasm } from "@corenet/backend-wasm";
import {
  activeBackend,
  matMul,
  memory,
  mul,
  ones,
  sum,
  takeData,
  tensor,
  tidy,
  useBackend,
} from "@corenet/tensor";
import { expect, test } from "vitest";
import { backends } from "../../../tools/testing/index.ts";

test("a disposed heap is gone with its tensors, says so, and the next start brings another", async () => {
  const { wasm: before, dispose } = await useBackend(wasm({ threads: 2 }));
  const x = ones([2 ** 24]); // the heap has grown
  const size = before?.memory.buffer.byteLength ?? 0;
  const tensors = memory().numTensors;
  dispose?.();
  dispose?.();
  expect(() => activeBackend()).toThrow("no backend is active");

  const { wasm: after } = await useBackend(wasm({ threads: 2 }));
  expect(after?.memory).not.toBe(before?.memory);
  expect(after?.memory.buffer.byteLength).toBeLessThan(size);
  const total = tidy(() => sum(matMul(ones([256, 256]), ones([256, 256]))));
  expect(await takeData(total)).toEqual(Float32Array.of(256 ** 3));
  expect(() => tidy(() => mul(x, 2))).toThrow(
    "wasm: the heap of this tensor was disposed, and the tensor with it.",
  );
  x.dispose();
  expect(memory().numTensors).toBe(tensors - 1);
});

test("cpu takes over, and wasm comes back", async () => {
  const { dispose } = await useBackend(wasm());
  await useBackend(backends.cpu());
  const x = tensor([1, 2]);
  dispose?.();
  await expect(mul(x, 2)).toBeAllClose([2, 4]);
  await useBackend(wasm());
  await expect(mul(x, 3)).toBeAllClose([3, 6]);
});
