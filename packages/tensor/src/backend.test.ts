import { BackendError } from "@corenet/core";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { backends } from "../../../tools/testing/index.ts";
import { activeBackend, type Backend, useBackend } from "./backend.ts";
import { defineOp, loadKernels, opsWithoutKernel } from "./op.ts";
import { mul } from "./ops/arithmetic.ts";
import { tensor } from "./ops/create.ts";
import type { Tensor } from "./types.ts";

const { cpu, wasm } = backends;
const fake = (name: string, start: Backend["start"]): Backend => ({ name, start });
const failing = fake("failing", async () => {
  throw new BackendError("failing: this machine has no luck.");
});

beforeEach(async () => {
  await useBackend(cpu());
});
afterEach(() => {
  vi.useRealTimers();
});

test("the first that starts becomes the active one", async () => {
  expect((await useBackend(failing, wasm(), cpu())).name).toBe("wasm");
  expect(activeBackend().name).toBe("wasm");
  expect((await useBackend(cpu(), wasm())).name).toBe("cpu");
  expect(activeBackend().name).toBe("cpu");
});

test("without one it says how to get one", async () => {
  await expect(useBackend()).rejects.toThrow(
    "useBackend: got no backend, expected at least one. Pass wasm() or cpu().",
  );
  await expect(useBackend()).rejects.toThrow(BackendError);
});

test("it says why each did not start, and keeps the cause", async () => {
  const other = fake("other", () => {
    throw new Error("not here");
  });
  await expect(useBackend(failing, other)).rejects.toThrow(
    "useBackend: no backend started.\n  failing: failing: this machine has no luck.\n  other: not here",
  );
  const error = await useBackend(failing).catch((caught: Error) => caught);
  expect((error as Error).cause).toBeInstanceOf(BackendError);
});

test.each([
  ["a name", "wasm", 'got "wasm"'],
  ["nothing", undefined, "got undefined"],
  ["null", null, "got null"],
  ["a factory that was not called", wasm, "got a function"],
  ["an object", { name: "gpu" }, 'got {"name":"gpu"}'],
])("%s is no backend", async (_, candidate, message) => {
  await expect(useBackend(candidate as never)).rejects.toThrow(
    `expected a backend such as wasm(), ${message}. Import the factory`,
  );
  expect((await useBackend(candidate as never, cpu())).name).toBe("cpu");
});

test("after a failure the one before is still active, and the next start works", async () => {
  await expect(useBackend(failing)).rejects.toThrow(BackendError);
  expect(activeBackend().name).toBe("cpu");
  await expect(mul(tensor([1, 2]), 2)).toBeAllClose([2, 4]);
  expect((await useBackend(wasm())).name).toBe("wasm");
});

test("one that never settles is given up after 30 seconds", async () => {
  vi.useFakeTimers();
  const hanging = fake("hanging", () => new Promise(() => {}));
  const started = useBackend(hanging, cpu());
  await vi.advanceTimersByTimeAsync(30_000);
  expect((await started).name).toBe("cpu");

  const refused = expect(useBackend(hanging)).rejects.toThrow("hanging: hanging did not start within 30 s.");
  await vi.advanceTimersByTimeAsync(30_000);
  await refused;
});

test("one that starts after its time is up does not take over", async () => {
  await useBackend(wasm());
  vi.useFakeTimers();
  const late = fake("wasm", async () => {
    await new Promise((resolve) => setTimeout(resolve, 31_000));
    return wasm().start();
  });
  const started = useBackend(late, cpu());
  await vi.advanceTimersByTimeAsync(30_000); // and no more: cpu starts in real time
  expect((await started).name).toBe("cpu");
  await vi.advanceTimersByTimeAsync(60_000);
  expect(activeBackend().name).toBe("cpu");
});

test("a backend that TensorFlow.js does not know says so", async () => {
  const unknown = fake("unknown", async () => ({ name: "unknown", readsAtOnce: true }));
  await expect(useBackend(unknown)).rejects.toThrow("no backend started.\n  unknown: ");
});

test("tensors move with the active backend", async () => {
  const x = tensor([1, 2]);
  await useBackend(wasm());
  await expect(mul(x, 3)).toBeAllClose([3, 6]);
  await useBackend(cpu());
  await expect(mul(x, 4)).toBeAllClose([4, 8]);
  x.dispose();
});

test("tf.setBackend behind our back is found out", async () => {
  await useBackend(wasm());
  const { setBackend } = await import("@tensorflow/tfjs-core");
  await setBackend("cpu");
  expect(() => activeBackend()).toThrow(
    'activeBackend: TensorFlow.js runs "cpu", which useBackend did not start. Call useBackend',
  );
});

test("an op's kernel is loaded by useBackend, or by loadKernels when the op came later, once", async () => {
  let loads = 0;
  const double = defineOp<readonly [Tensor], readonly [Tensor]>({
    name: "test.double",
    reference: ([x]) => [mul(x, 2)],
    kernels: {
      wasm: async () => {
        loads++;
        return async () =>
          ([x]) => [mul(x, 200)];
      },
    },
  });
  await useBackend(wasm());
  expect(double.implementation()).toBe("kernel");
  await expect(double([tensor([1])], {})[0]).toBeAllClose([200]);
  await loadKernels();
  expect(loads).toBe(1);
  expect(opsWithoutKernel()).not.toContain("test.double");

  await useBackend(cpu());
  expect(double.implementation()).toBe("reference");
  await expect(double([tensor([1])], {})[0]).toBeAllClose([2]);
  expect(opsWithoutKernel()).toContain("test.double");

  await useBackend(wasm());
  const late = defineOp<readonly [Tensor], readonly [Tensor]>({ ...double.definition, name: "test.late" });
  expect(late.implementation()).toBe("reference");
  await expect(late([tensor([1])], {})[0]).toBeAllClose([2]);
  await loadKernels();
  expect(late.implementation()).toBe("kernel");
});
