import { cpu } from "@corenet/backend-cpu";
import { useBackend } from "@corenet/tensor";
import { getKernelsForBackend, version_core } from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { describeBackend } from "../../../tools/testing/index.ts";

describeBackend("cpu", () => cpu());

test("TensorFlow.js is the version whose faults we know, with the kernels that our ops run", async () => {
  await useBackend(cpu());
  expect(version_core).toBe("4.22.0");
  const names = getKernelsForBackend("cpu").map(({ kernelName }) => kernelName);
  expect(names.length).toBe(48);
  expect(names).not.toContain("Conv2D");
});
