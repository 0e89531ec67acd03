import {
  gather,
  matMul,
  mul,
  type PackedMatrix,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
} from "@corenet/tensor";

/** A matrix that is "packed" as twice its values, so that a test sees whether its own methods are used. */
export class DoubledMatrix implements PackedMatrix {
  readonly format = "doubled";
  readonly shape: readonly [number, number];
  readonly #doubled: Tensor2D;

  constructor(matrix: Tensor2D) {
    this.shape = matrix.shape;
    this.#doubled = mul(matrix, 2);
  }

  get byteLength(): number {
    return this.#doubled.size * 4;
  }

  unpackRows(ids: Tensor1D): Tensor2D {
    return mul(gather(this.#doubled, ids), 0.5) as Tensor2D;
  }

  multiply(x: Tensor, { transpose = false }: { transpose?: boolean } = {}): Tensor {
    return mul(matMul(x, this.#doubled, { transposeB: !transpose }), 0.5);
  }

  dispose(): void {
    this.#doubled.dispose();
  }
}
