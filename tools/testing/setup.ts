// Loaded before every test file. Costs nothing where no tensor is compared.
import { expect } from "vitest";
import type { AllCloseOptions, Expected } from "./all-close.ts";

declare module "vitest" {
  interface Matchers<R, T> {
    /**
     * Reads a tensor and compares it with numbers, nested numbers or another tensor: shapes must agree where both
     * sides have one, and |actual − expected| <= atol + rtol · |expected|, where NaN is close to NaN. Integers and
     * bools are equal or not. Await it. Nothing is disposed.
     */
    toBeAllClose(expected: Expected, options?: AllCloseOptions): Promise<void>;
  }
}

expect.extend({
  async toBeAllClose(actual: unknown, expected: Expected, options?: AllCloseOptions) {
    const { compareAllClose } = await import("./all-close.ts");
    const difference = await compareAllClose(actual, expected, options);
    return {
      pass: difference === null,
      message: () => difference ?? "toBeAllClose: the tensors are close, expected them to differ.",
    };
  },
});
