import { expect, test } from "vitest";
import { expectNoLeak, onEveryBackend } from "../../../tools/testing/index.ts";
import { keep, memory, readData, takeData, tidy } from "./memory.ts";
import { add, mul } from "./ops/arithmetic.ts";
import { ones, tensor } from "./ops/create.ts";
import { reshape } from "./ops/shape.ts";
import type { Tensor } from "./types.ts";

onEveryBackend(() => {
  test("tidy frees all but the result, whatever holds it", () => {
    const x = ones([3]);
    expectNoLeak(() => tidy(() => add(mul(x, 2), mul(x, 3))));
    expectNoLeak(() => tidy(() => ({ a: mul(x, 2), list: [mul(mul(x, 2), 3)], text: "x" })));
    expectNoLeak(() => tidy(() => tidy(() => mul(mul(x, 2), 2))));
    expectNoLeak(() => tidy(() => void mul(x, 2)));
  });

  test("tidy leaves what it was given alone, also as its result", async () => {
    const x = ones([2]);
    expect(tidy(() => x)).toBe(x);
    await expect(x).toBeAllClose([1, 1]);
  });

  test("tidy frees everything on a throw", () => {
    const x = ones([2]);
    expectNoLeak(() => {
      expect(() =>
        tidy(() => {
          mul(x, 2);
          throw new RangeError("no");
        }),
      ).toThrow("no");
    });
  });

  test("tidy refuses a promise, frees what was made before its first await, and keeps the rejection quiet", async () => {
    const x = ones([2]);
    const spoiled = () =>
      tidy(async () => {
        mul(x, 2);
        await Promise.resolve();
        throw new RangeError("later");
      });
    expectNoLeak(() =>
      expect(spoiled).toThrow(
        "tidy: got a promise, expected a plain result. Compute inside tidy, read outside it.",
      ),
    );
    await new Promise((resolve) => setTimeout(resolve, 5));
  });

  test("keep takes a tensor out of every tidy around", async () => {
    const x = ones([2]);
    let kept: Tensor | undefined;
    expectNoLeak(() => {
      tidy(() => {
        tidy(() => {
          kept = keep(mul(x, 5));
        });
        mul(x, 6);
      });
      return kept;
    });
    expect(kept?.isDisposed).toBe(true);
  });

  test("readData leaves the tensor, takeData frees it", async () => {
    const before = memory().numTensors;
    const x = tensor([1, 2]);
    expect(await readData(x)).toEqual(Float32Array.of(1, 2));
    expect(x.isDisposed).toBe(false);
    expect(await takeData(x)).toEqual(Float32Array.of(1, 2));
    expect(x.isDisposed).toBe(true);
    expect(memory().numTensors).toBe(before);
  });

  test("every dtype comes as its own typed array", async () => {
    expect(await takeData(tensor(Int32Array.of(16777217)), "int32")).toEqual(Int32Array.of(16777217));
    expect(await takeData(tensor(Uint8Array.of(1, 0)), "bool")).toEqual(Uint8Array.of(1, 0));
    expect(await takeData(tensor([], [0, 3]))).toEqual(new Float32Array(0));
  });

  test("what was read is the caller's own: editing it changes nothing", async () => {
    const x = tensor([1, 2, 3]);
    const twin = reshape(x, [3, 1]); // the same memory
    const first = await readData(x);
    first.fill(9);
    expect(await readData(x)).toEqual(Float32Array.of(1, 2, 3));
    expect(await readData(twin)).toEqual(Float32Array.of(1, 2, 3));
    await expect(add(x, 0)).toBeAllClose([1, 2, 3]);
  });

  test("readers refuse another dtype, a disposed tensor and no tensor; takeData frees even then", async () => {
    const x = tensor([1]);
    await expect(readData(x, "int32")).rejects.toThrow(
      "readData: tensor is float32, expected int32. Convert it with cast.",
    );
    await expect(takeData(x, "int32")).rejects.toThrow("expected int32");
    expect(x.isDisposed).toBe(true);
    await expect(readData(x)).rejects.toThrow(
      "readData: tensor of shape [1] was disposed before, expected a living tensor.",
    );
    await expect(readData(undefined as never)).rejects.toThrow(
      "readData: tensor is undefined, expected a tensor",
    );
    await expect(takeData(undefined as never)).rejects.toThrow("expected a tensor");
  });

  test("memory counts tensors and bytes", () => {
    const before = memory();
    const list = [ones([10]), ones([10], "int32"), ones([10], "bool")];
    expect(memory().numTensors - before.numTensors).toBe(3);
    expect(memory().numBytes - before.numBytes).toBe(90);
    for (const x of list) x.dispose();
    expect(memory()).toEqual(before);
  });
});
