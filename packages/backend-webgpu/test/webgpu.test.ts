import { webgpu } from "@corenet/backend-webgpu";
import {
  activeBackend,
  add,
  concat,
  exp,
  gather,
  matMul,
  mul,
  ones,
  pad,
  relu,
  reshape,
  slice,
  softmax,
  sum,
  type Tensor,
  takeData,
  tensor,
  tidy,
  transpose,
  useBackend,
  type WebGpuHost,
  where,
} from "@corenet/tensor";
import { engine } from "@tensorflow/tfjs-core";
import { describe, expect, test, vi } from "vitest";
import { describeBackend, hasWebGpu, onBackend } from "../../../tools/testing/index.ts";

if (hasWebGpu) describeBackend("webgpu", () => webgpu());

const host = (): WebGpuHost => activeBackend().webgpu as WebGpuHost;
const program = { name: "broken", reads: {}, writes: { y: "f32" }, workgroupSize: 64 };

onBackend("webgpu", () => {
  describe("what TensorFlow.js's kernels get wrong in silence", () => {
    test("70,000 rows of softmax each sum to 1", async () => {
      const rows = await takeData(sum(softmax(ones([70_000, 8])), { axis: 1 }));
      expect(rows.every((total) => Math.abs(total - 1) < 1e-5)).toBe(true);
    });

    test("int32 keeps its bits through everything that moves or adds", async () => {
      const big = Int32Array.of(16777217, -16777217, 2 ** 31 - 1, -(2 ** 31), 16777219, 5);
      const x = tensor(big, [1, 2, 3]);
      const moved = [
        reshape(transpose(transpose(x, [2, 0, 1]), [1, 2, 0]), [6]),
        reshape(concat([slice(x, [0, 0, 0], [1, 1, 3]), slice(x, [0, 1, 0], [1, 1, 3])], { axis: 1 }), [6]),
        gather(reshape(x, [6]), tensor(Int32Array.of(0, 1, 2, 3, 4, 5))),
        reshape(where(tensor(Uint8Array.of(1), [1, 1, 1]), x, 0), [6]),
        reshape(add(x, 0), [6]),
      ];
      for (const y of moved) expect(await takeData(y, "int32")).toEqual(big);
    });

    test("more inputs than a shader binds, and more axes than a stock kernel pads", async () => {
      const parts = Array.from({ length: 20 }, (_, i) => tensor([i]));
      await expect(concat(parts)).toBeAllClose(Array.from({ length: 20 }, (_, i) => i));
      const wide = pad(ones([1, 1, 1, 2]), [
        [1, 0],
        [0, 1],
        [0, 0],
        [0, 1],
      ]);
      await expect(sum(wide)).toBeAllClose(2);
    });

    test("a batch of 70,000 products", async () => {
      const y = matMul(ones([70_000, 1, 2]), ones([70_000, 2, 1]));
      await expect(sum(y)).toBeAllClose(140_000);
    });

    test("exp to two units in the last place, where WGSL allows hundreds", async () => {
      const x = Float32Array.from({ length: 1000 }, (_, i) => (i - 500) * 0.17);
      const y = await takeData(exp(tensor(x)));
      x.forEach((value, i) => {
        const wanted = Math.exp(value);
        expect(Math.abs((y[i] as number) - wanted)).toBeLessThanOrEqual(wanted * 2.5e-7);
      });
    });
  });

  describe("failures", () => {
    test("a shader that does not compile is named at the next read, once", async () => {
      const y = host().output([4], "float32");
      host().run(
        { ...program, code: "fn main(group: u32, local: u32) { y[0] = nonsense; }" },
        { y },
        { workgroups: 1 },
      );
      const reading = takeData(y);
      await expect(reading).rejects.toMatchObject({ name: "GpuError" });
      await expect(reading).rejects.toThrow(/the program broken.*nonsense/s);
      await expect(mul(tensor([2]), 3)).toBeAllClose([6]);
    });

    test("an id that the GPU computed is checked at the next read", async () => {
      const ids = add(tensor(Int32Array.of(1, 0)), 6);
      await expect(takeData(gather(tensor([1, 2]), ids))).rejects.toThrow(
        /^gather: an id is [67], expected an integer in \[0, 2\)\. The GPU met it/,
      );
      await expect(mul(tensor([2]), 3)).toBeAllClose([6]);
    });

    test("one that is known is checked at once", () => {
      expect(() => gather(tensor([1, 2]), tensor(Int32Array.of(7)))).toThrow("gather: ids[0] is 7");
    });

    test("no room on the GPU: named each time, and what comes after is right", async () => {
      for (let round = 0; round < 3; round++) {
        const large = ones([2 ** 28 - 1]); // 1 GiB, which SwiftShader allows and has no room for
        await expect(takeData(slice(large, [0], [1]))).rejects.toMatchObject({ name: "OutOfMemoryError" });
        large.dispose();
        await expect(mul(tensor([2]), 3)).toBeAllClose([6]);
      }
    });

    test("what was recorded before a throw fails with it, what is recorded after it is right", async () => {
      const wrong = host().output([4], "float32");
      const code = "fn main(group: u32, local: u32) { y[0] = alsoNonsense; }";
      host().run({ ...program, name: "first", code }, { y: wrong }, { workgroups: 1 });
      await new Promise((resolve) => setTimeout(resolve, 300)); // it is known now, and thrown by the next op, while the run is still being recorded
      expect(() => mul(wrong, 2)).toThrow("the program first");
      await expect(mul(tensor([2]), 3)).toBeAllClose([6]);
    });

    test("a tensor beyond the device's limit, wrong names, one tensor under two", () => {
      expect(() => ones([2 ** 16, 2 ** 16])).toThrow("Split it");
      const x = tensor([1]);
      const run = {
        ...program,
        reads: { x: "f32" },
        code: "fn main(group: u32, local: u32) { y[0] = x[0]; }",
      };
      expect(() => host().run(run, { x }, { workgroups: 1 })).toThrow("got the tensors [x], expected [x,y]");
      expect(() => host().run(run, { x, y: x }, { workgroups: 1 })).toThrow("x and y are one tensor");
    });

    test("a tensor on the GPU is not read at once", async () => {
      const y = mul(tensor([1, 2]), 2);
      expect(() => (y as object as { dataSync(): unknown }).dataSync()).toThrow("await readData(tensor)");
    });

    test("a device that is gone says so, and another start brings another", async () => {
      const x = mul(tensor([1]), 2);
      activeBackend().dispose?.();
      const failing = async () => takeData(mul(x, 1));
      await expect.poll(() => failing().then(String, (error: Error) => error.name)).toBe("DeviceLostError");
      await useBackend(webgpu());
      await expect(mul(tensor([2]), 3)).toBeAllClose([6]);
    });
  });

  test("10,000 mixed operations: the device holds at most 1.2 times what tensors hold, then and now", async () => {
    using held = watchBuffers();
    let state = 7;
    const random = (n: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * n);
    };
    const before = engine().memory().numBytes;
    const alive: Tensor[] = Array.from({ length: 8 }, () => ones([32_768]));
    let [live, allocated] = [0, 0];
    for (let i = 0; i < 10_000; i++) {
      const at = random(8);
      const x = alive[at] as Tensor;
      const next = [
        () => mul(x, 1.5),
        () => ones([8192 + random(65_536)]),
        () => slice(x, [0], [1 + random(x.size)]),
        () => tidy(() => concat([x, ones([1 + random(4096)])])),
        () => relu(x),
      ][x.size > 131_072 || x.size < 4096 ? 1 : random(5)] as () => Tensor;
      alive[at] = next();
      live = Math.max(live, engine().memory().numBytes - before); // x and its successor at once
      allocated = Math.max(allocated, held.bytes());
      x.dispose();
      if (i % 1000 === 999) await takeData(sum(alive[0] as Tensor));
    }
    expect(live).toBeGreaterThan(1e6);
    expect(allocated).toBeLessThanOrEqual(1.2 * live);
    for (const x of alive) x.dispose();
  });
});

/** Bytes of the storage buffers that the device made and did not destroy since. */
function watchBuffers(): { bytes(): number; [Symbol.dispose](): void } {
  const { device } = (engine().backend as object as { recorder: { device: GPUDevice } }).recorder;
  const create = device.createBuffer.bind(device);
  let bytes = 0;
  const spy = vi.spyOn(device, "createBuffer").mockImplementation((descriptor) => {
    const buffer = create(descriptor);
    if ((descriptor.usage & 128) === 0) return buffer; // GPUBufferUsage.STORAGE
    bytes += descriptor.size;
    const destroy = buffer.destroy.bind(buffer);
    buffer.destroy = () => {
      bytes -= descriptor.size;
      return destroy();
    };
    return buffer;
  });
  return { bytes: () => bytes, [Symbol.dispose]: () => spy.mockRestore() };
}
