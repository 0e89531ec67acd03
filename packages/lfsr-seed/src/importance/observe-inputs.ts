import {
  add,
  DenseMatrix,
  isTensor,
  keep,
  mapTree,
  type PackedMatrix,
  type ParamTree,
  readData,
  reshape,
  square,
  sum,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  tidy,
  zeros,
} from "@corenet/tensor";

/** Parameters whose matrices note what they are multiplied with. Frees what it noted, not the parameters. */
export interface ObservedInputs extends Disposable {
  /** In place of the model's own: `model.withParams(observed.params)`. They lend its matrices. */
  readonly params: ParamTree;
  /**
   * The mean of x^2 over all vectors x that each matrix met, feature by feature [in], by the path of the matrix. What met
   * none is left out.
   */
  meanSquares(): Promise<Map<string, Float32Array>>;
  dispose(): void;
}

/**
 * What calibration needs of a model: run it on text, and the mean square of each input feature says how much an error in
 * the weights of its column costs. With inputs of uncorrelated features, `sum_c h_c (w_c - w^_c)^2` with these h is the
 * mean squared error of the output.
 *
 * @param params - of any model whose matrices are tensors or packed; borrowed
 * @example
 * using observed = observeInputs(model.params);
 * await scoreText(model.withParams(observed.params), tokenizer, text);
 * const importance = await observed.meanSquares();
 */
export function observeInputs(params: ParamTree): ObservedInputs {
  const matrices = new Map<string, ObservedMatrix>();
  const observed = mapTree<Tensor | PackedMatrix, Tensor | PackedMatrix>(params, (leaf, path) => {
    if (isTensor(leaf) && leaf.shape.length !== 2) return leaf;
    const matrix = new ObservedMatrix(leaf as Tensor2D | PackedMatrix);
    matrices.set(path, matrix);
    return matrix;
  });
  const dispose = () => {
    for (const matrix of matrices.values()) matrix.dispose();
    matrices.clear();
  };
  return {
    params: observed,
    async meanSquares() {
      const means = new Map<string, Float32Array>();
      for (const [path, matrix] of matrices) {
        if (matrix.vectors > 0) means.set(path, await matrix.meanSquares());
      }
      return means;
    },
    dispose,
    [Symbol.dispose]: dispose,
  };
}

/** A lent matrix that adds up the squares of what it is multiplied with. */
class ObservedMatrix implements PackedMatrix {
  readonly format: string;
  readonly shape: readonly [number, number];
  readonly byteLength: number;
  vectors = 0;
  readonly #matrix: PackedMatrix;
  readonly #isOwned: boolean;
  #squares: Tensor1D; // [in]

  constructor(leaf: Tensor2D | PackedMatrix) {
    this.#isOwned = isTensor(leaf);
    this.#matrix = isTensor(leaf) ? new DenseMatrix(leaf) : leaf;
    this.format = this.#matrix.format;
    this.shape = this.#matrix.shape;
    this.byteLength = this.#matrix.byteLength;
    this.#squares = keep(zeros([this.shape[1]]) as Tensor1D);
  }

  unpackRows(ids: Tensor1D): Tensor2D {
    return this.#matrix.unpackRows(ids);
  }

  multiply(x: Tensor, options: { transpose?: boolean } = {}): Tensor {
    if (!options.transpose) this.#note(x);
    return this.#matrix.multiply(x, options);
  }

  async meanSquares(): Promise<Float32Array> {
    const sums = await readData(this.#squares);
    return sums.map((total) => total / this.vectors);
  }

  dispose(): void {
    this.#squares.dispose();
    if (this.#isOwned) this.#matrix.dispose(); // it shares the tensor's memory
  }

  #note(x: Tensor): void {
    const [, inputs] = this.shape;
    const before = this.#squares;
    this.#squares = tidy(() => {
      const vectors = reshape(x, [x.size / inputs, inputs]);
      return keep(add(before, sum(square(vectors), { axis: 0 })) as Tensor1D);
    });
    before.dispose();
    this.vectors += x.size / inputs;
  }
}
