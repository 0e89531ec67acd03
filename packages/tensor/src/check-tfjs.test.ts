import { cpu } from "@corenet/backend-cpu";
import { BackendError } from "@corenet/core";
import { engine } from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { useBackend } from "./backend.ts";
import { checkTfjs } from "./check-tfjs.ts";

test("accepts the version that we know, and no other", () => {
  expect(() => checkTfjs()).not.toThrow();
  expect(() => checkTfjs("4.20.0")).toThrow(BackendError);
  expect(() => checkTfjs("4.20.0")).toThrow("is 4.20.0 here, expected 4.22.0. Run npm install");
});

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
