import type { Backend } from "@corenet/tensor";
import { replaceMatMul } from "./replace-mat-mul.ts";
import { replaceMultiply } from "./replace-multiply.ts";

let replaced = false;

/**
 * Plain JavaScript: runs everywhere, sums in double precision, and is slow. The backend of last resort, and the one
 * that the others are compared with.
 */
export function cpu(): Backend {
  return {
    name: "cpu",
    async start() {
      await import("@tensorflow/tfjs-backend-cpu");
      if (!replaced) {
        replaceMatMul();
        replaceMultiply();
      }
      replaced = true;
      return { name: "cpu", readsAtOnce: true };
    },
  };
}
