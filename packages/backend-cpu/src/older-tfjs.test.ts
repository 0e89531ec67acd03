import { useBackend } from "@corenet/tensor";
import { engine } from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { cpu } from "./cpu.ts";

test("names what the engine of an older version lacks", async () => {
  const shared = engine();
  Object.defineProperty(shared, "makeTensorFromTensorInfo", { value: undefined, configurable: true });
  try {
    await expect(useBackend(cpu())).rejects.toThrow(
      "was loaded first, and its engine lacks makeTensorFromTensorInfo",
    );
  } finally {
    Reflect.deleteProperty(shared, "makeTensorFromTensorInfo");
  }
  expect((await useBackend(cpu())).name).toBe("cpu");
});
