import { wasm } from "@corenet/backend-wasm";
import {
  activeBackend,
  add,
  clone,
  concat,
  disposeTree,
  gather,
  keep,
  matMul,
  mean,
  memory,
  mul,
  ones,
  relu,
  reshape,
  slice,
  softmax,
  square,
  sub,
  type Tensor,
  takeData,
  tensor,
  tidy,
  useBackend,
  valueAndGrad,
  type WasmHost,
  zipTrees,
} from "@corenet/tensor";
import { getKernelsForBackend } from "@tensorflow/tfjs-core";
import { describe, expect, test } from "vitest";
import { backends, describeBackend, onBackend } from "../../../tools/testing/index.ts";

describeBackend("wasm", () => wasm());

const hostOf = (): WasmHost => {
  const { wasm: host } = activeBackend();
  if (!host) throw new Error("the active backend has no wasm host");
  return host;
};

test("has the kernels that our ops run, as cpu has them, and no others of TensorFlow.js", async () => {
  await useBackend(backends.cpu());
  await useBackend(wasm());
  const namesOf = (backend: string) =>
    getKernelsForBackend(backend)
      .map(({ kernelName }) => kernelName)
      .sort();
  expect(namesOf("wasm")).toEqual(namesOf("cpu"));
});

onBackend("wasm", () => {
  test("10,000 mixed operations leave no tensor behind, and the heap as it was after the first 1000", async () => {
    let state = 7;
    const random = (n: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * n);
    };
    const ids = tensor(Int32Array.of(0, 3, 1, 3));
    const before = memory();
    const alive: Tensor[] = Array.from({ length: 8 }, () => ones([16, 16]));
    const ways: ((x: Tensor, y: Tensor) => Tensor)[] = [
      (x, y) => matMul(x, y, { transposeB: true }),
      (x, y) => tidy(() => softmax(add(x, y))),
      (x) => tidy(() => reshape(relu(sub(x, 0.5)), [16, 16])),
      (x, y) => tidy(() => concat([gather(x, ids), slice(y, [4, 0], [12, 16])])),
      (x) => tidy(() => valueAndGrad((p: Tensor) => mean(square(softmax(p))), x).grads),
      (x) => clone(x),
    ];
    let heap = 0;
    for (let i = 0; i < 10_000; i++) {
      const [at, other, way] = [random(8), random(8), random(ways.length)];
      const x = alive[at] as Tensor;
      alive[at] = (ways[way] as (x: Tensor, y: Tensor) => Tensor)(x, alive[other] as Tensor);
      x.dispose();
      if (i === 1000) heap = hostOf().memory.buffer.byteLength;
    }
    expect(hostOf().memory.buffer.byteLength).toBe(heap);
    for (const x of alive) x.dispose();
    expect(memory()).toEqual(before);
  });

  test("a heap that grows moves no tensor, and its threads see all of it", async () => {
    const host = hostOf();
    const x = tensor(
      Float32Array.from({ length: 256 * 256 }, (_, i) => Math.sin(i)),
      [256, 256],
    );
    const product = await takeData(matMul(x, x));
    const before = host.memory.buffer.byteLength;
    const address = host.address(x);
    const blocks: Tensor[] = [];
    while (host.memory.buffer.byteLength < before + 2 ** 26) blocks.push(ones([2 ** 22]));
    expect(host.address(x)).toBe(address);
    const high = clone(add(x, 0)); // lies behind what was the end
    for (let round = 0; round < 5; round++) expect(await takeData(matMul(high, high))).toEqual(product);
    await expect(mean(blocks.at(-1) as Tensor)).toBeAllClose(1);
  });

  describe("memory", () => {
    test("clone and reshape share it, and it lives until the last owner frees it", async () => {
      const host = hostOf();
      const x = tensor([
        [1, 2],
        [3, 4],
      ]);
      const before = host.memory.buffer.byteLength;
      const twins = [clone(x), reshape(x, [4]), clone(reshape(x, [1, 4]))];
      for (const twin of twins) expect(host.address(twin)).toBe(host.address(x));
      expect(host.memory.buffer.byteLength).toBe(before);
      x.dispose();
      twins[0]?.dispose();
      const others = Array.from({ length: 20 }, () => ones([4])); // would take the freed place
      await expect(twins[1] as Tensor).toBeAllClose([1, 2, 3, 4]);
      await expect(twins[2] as Tensor).toBeAllClose([[1, 2, 3, 4]]);
      for (const other of others) expect(host.address(other)).not.toBe(host.address(twins[1] as Tensor));
    });

    test("the heap stays as it is over 200 training steps", () => {
      const width = 64;
      const matrix = (rows: number, columns: number, phase: number) =>
        tensor(
          Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i + phase) / 8),
          [rows, columns],
        );
      const ids = tensor(Int32Array.from({ length: 48 }, (_, i) => (i * 7) % 100));
      let params = { table: matrix(100, width, 0), up: matrix(256, width, 1), down: matrix(width, 256, 2) };
      type Params = typeof params;
      const loss = (p: Params) => {
        const x = gather(p.table, ids); // [48, 64]
        const hidden = relu(matMul(x, p.up, { transposeB: true })); // [48, 256]
        const y = add(x, matMul(hidden, p.down, { transposeB: true })); // [48, 64]
        return mean(square(matMul(softmax(y), p.table, { transposeB: true })));
      };
      const step = () => {
        const next = tidy(() => {
          const { grads } = valueAndGrad(loss, params);
          return zipTrees([params, grads], ([p, g]) => sub(p as Tensor, mul(g as Tensor, 0.1)));
        });
        disposeTree(params);
        params = next;
      };
      for (let i = 0; i < 5; i++) step();
      const before = { heap: hostOf().memory.buffer.byteLength, ...memory() };
      for (let i = 0; i < 200; i++) step();
      expect({ heap: hostOf().memory.buffer.byteLength, ...memory() }).toEqual(before);
    });

    test("scratch is aligned, grows, and does not move tensors", async () => {
      const host = hostOf();
      const x = keep(tensor([1, 2, 3]));
      for (const bytes of [1, 100, 100_000, 1, 5_000_000]) expect(host.scratch(bytes).address % 16).toBe(0);
      const view = new Uint8Array(host.memory.buffer, host.scratch(5_000_000).address, 5_000_000);
      view.fill(255);
      expect(await takeData(x)).toEqual(Float32Array.of(1, 2, 3));
    });

    test("an output has the address that kernels write to", async () => {
      const host = hostOf();
      const y = host.output([2, 2], "int32");
      new Int32Array(host.memory.buffer, host.address(y), 4).set([1, 2, 3, 16777217]);
      await expect(y).toBeAllClose([
        [1, 2],
        [3, 16777217],
      ]);
    });
  });
});
