import { keep } from "./memory.ts";
import { gather } from "./ops/gather.ts";
import { matMul } from "./ops/mat-mul.ts";
import { clone } from "./ops/shape.ts";
import type { PackedMatrix } from "./packed-matrix.ts";
import type { Tensor, Tensor1D, Tensor2D } from "./types.ts";

/** A float32 matrix in the dress of a packed one. */
export class DenseMatrix implements PackedMatrix, Disposable {
  readonly format = "f32";
  readonly shape: readonly [number, number];
  readonly byteLength: number;
  readonly #values: Tensor2D;

  /** @param values - [out, in]; shared, not taken over */
  constructor(values: Tensor2D) {
    this.#values = keep(clone(values));
    this.shape = values.shape;
    this.byteLength = values.size * 4;
  }

  unpackRows(ids: Tensor1D): Tensor2D {
    return gather(this.#values, ids, { who: "unpackRows: ids" }) as Tensor2D;
  }

  multiply(x: Tensor, options: { transpose?: boolean } = {}): Tensor {
    return matMul(x, this.#values, { transposeB: !options.transpose });
  }

  dispose(): void {
    this.#values.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
