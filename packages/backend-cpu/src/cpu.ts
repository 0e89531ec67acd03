import type { Backend } from "@corenet/tensor";
import { replaceMatMul } from "./replace-mat-mul.ts";
import { replaceMultiply } from "./replace-multiply.ts";
import { registerTfjs } from "./tfjs.ts";

let replaced = false;

/**
 * Plain JavaScript: runs everywhere, sums in double precision, and is slow. The backend of last resort, and the one
 * that the others are compared with.
 */
export function cpu(): Backend {
  return {
    name: "cpu",
    async start() {
      await registerTfjs();
      if (!replaced) {
        replaceMatMul();
        replaceMultiply();
      }
      replaced = true;
      return { name: "cpu", readsAtOnce: true };
    },
  };
}
