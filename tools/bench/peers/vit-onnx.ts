// A vision transformer as an ONNX model, in the ops that exporters write: onnxruntime fuses what it can by itself.
import { FLOAT, INT64, message, tensorProto, valueInfo } from "./onnx-proto.ts";

export interface VitShape {
  readonly patchSize: number;
  readonly modelDim: number;
  readonly numHeads: number;
  readonly numLayers: number;
  readonly ffnDim: number;
  readonly numClasses: number;
  readonly layerNormEps: number;
  /** Of the square image, in pixels. */
  readonly imageSize: number;
}

/**
 * Logits [1, classes] of an image [1, 3, size, size] by a ViT with a class token.
 *
 * @param weights - by path, matrices [out, in]: patches.weight [D, P P 3], classToken, positions, layers.0.qkv.weight, …
 * @returns the bytes of the model: input "image", output "logits"
 */
export function vitModel(shape: VitShape, weights: ReadonlyMap<string, Float32Array>): Uint8Array {
  const { modelDim: D, numHeads: H, patchSize: P, ffnDim: F, layerNormEps } = shape;
  const patches = (shape.imageSize / P) ** 2;
  const T = patches + 1;
  const d = D / H;
  const graph = new GraphBuilder();
  const weight = (path: string): Float32Array => {
    const values = weights.get(path);
    if (values) return values;
    throw new RangeError(`vitModel: there is no weight ${path}, only ${[...weights.keys()].join(", ")}.`);
  };
  const vector = (path: string) => graph.floats(path, [weight(path).length], weight(path));
  const linear = (x: string, path: string, inputs: number, outputs: number): string => {
    const matrix = transposed(weight(`${path}.weight`), outputs, inputs); // MatMul takes [in, out]
    const product = graph.node("MatMul", [x, graph.floats(`${path}.weight`, [inputs, outputs], matrix)]);
    return graph.node("Add", [product, vector(`${path}.bias`)]);
  };
  const layerNorm = (x: string, path: string): string =>
    graph.node("LayerNormalization", [x, vector(`${path}.weight`), vector(`${path}.bias`)], {
      axis: -1,
      epsilon: { float: layerNormEps },
    });
  const one = graph.floats("one", [], Float32Array.of(1));
  const half = graph.floats("half", [], Float32Array.of(0.5));
  const root2 = graph.floats("root2", [], Float32Array.of(Math.SQRT2));
  const scale = graph.floats("scale", [], Float32Array.of(d ** -0.5));
  const gelu = (x: string): string => {
    const erf = graph.node("Erf", [graph.node("Div", [x, root2])]);
    return graph.node("Mul", [graph.node("Mul", [x, graph.node("Add", [erf, one])]), half]);
  };
  const reshape = (x: string, sides: readonly number[]) =>
    graph.node("Reshape", [x, graph.integers(sides.join("x"), sides)]);

  const kernel = graph.floats("patches.weight", [D, 3, P, P], channelsFirst(weight("patches.weight"), D, P));
  const conv = graph.node("Conv", ["image", kernel, vector("patches.bias")], {
    kernel_shape: [P, P],
    strides: [P, P],
  }); // [1, D, h, w]
  const embedded = graph.node("Transpose", [reshape(conv, [1, D, patches])], { perm: [0, 2, 1] }); // [1, N, D]
  const placed = graph.node("Add", [embedded, graph.floats("positions", [patches, D], weight("positions"))]);
  const classToken = graph.floats("classToken", [1, 1, D], weight("classToken"));
  let x = graph.node("Concat", [classToken, placed], { axis: 1 }); // [1, T, D]
  for (let i = 0; i < shape.numLayers; i++) {
    const at = `layers.${i}`;
    const joint = reshape(linear(layerNorm(x, `${at}.attentionNorm`), `${at}.qkv`, D, 3 * D), [
      1,
      T,
      3,
      H,
      d,
    ]);
    const byHead = graph.node("Transpose", [joint], { perm: [2, 0, 3, 1, 4] }); // [3, 1, H, T, d]
    const [q, k, v] = [0, 1, 2].map((which) =>
      graph.node("Gather", [byHead, graph.integer(`index${which}`, which)], { axis: 0 }),
    ) as [string, string, string];
    const keys = graph.node("Transpose", [k], { perm: [0, 1, 3, 2] });
    const scores = graph.node("MatMul", [graph.node("Mul", [q, scale]), keys]); // [1, H, T, T]
    const read = graph.node("MatMul", [graph.node("Softmax", [scores], { axis: -1 }), v]);
    const merged = reshape(graph.node("Transpose", [read], { perm: [0, 2, 1, 3] }), [1, T, D]);
    x = graph.node("Add", [x, linear(merged, `${at}.attentionOut`, D, D)]);
    const hidden = gelu(linear(layerNorm(x, `${at}.feedForwardNorm`), `${at}.up`, D, F));
    x = graph.node("Add", [x, linear(hidden, `${at}.down`, F, D)]);
  }
  const pooled = graph.node("Gather", [layerNorm(x, "norm"), graph.integer("index0", 0)], { axis: 1 }); // [1, D]
  const logits = linear(pooled, "head", D, shape.numClasses);
  return graph.model(logits, [1, shape.numClasses], ["image", [1, 3, shape.imageSize, shape.imageSize]]);
}

type Attribute = number | readonly number[] | { readonly float: number };

/** Nodes and initializers in the order they were asked for. */
class GraphBuilder {
  readonly #nodes: Uint8Array[] = [];
  readonly #initializers = new Map<string, Uint8Array>();

  floats(name: string, dims: readonly number[], values: Float32Array): string {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    return this.#initializer(name, () => tensorProto(name, FLOAT, dims, bytes));
  }

  integers(name: string, values: readonly number[]): string {
    const bytes = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
    return this.#initializer(name, () => tensorProto(name, INT64, [values.length], bytes));
  }

  integer(name: string, value: number): string {
    const bytes = new Uint8Array(BigInt64Array.of(BigInt(value)).buffer);
    return this.#initializer(name, () => tensorProto(name, INT64, [], bytes));
  }

  /** The name of the node's only output. */
  node(op: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}): string {
    const output = `t${this.#nodes.length}`;
    const fields = Object.entries(attributes).map(
      ([name, value]) => [5, attributeProto(name, value)] as const,
    );
    const names = inputs.map((name) => [1, name] as const);
    this.#nodes.push(message(...names, [2, output], [4, op], ...fields));
    return output;
  }

  /** The whole, with the value `from` as its output "logits". */
  model(from: string, dims: readonly number[], [input, inputDims]: [string, readonly number[]]): Uint8Array {
    this.#nodes.push(message([1, from], [2, "logits"], [4, "Identity"]));
    const graph = message(
      ...this.#nodes.map((node) => [1, node] as const),
      [2, "vit"],
      ...[...this.#initializers.values()].map((tensor) => [5, tensor] as const),
      [11, valueInfo(input, inputDims)],
      [12, valueInfo("logits", dims)],
    );
    return message([1, 8], [7, graph], [8, message([1, ""], [2, 17])]); // IR version 8, opset 17
  }

  #initializer(name: string, make: () => Uint8Array): string {
    if (!this.#initializers.has(name)) this.#initializers.set(name, make());
    return name;
  }
}

/** AttributeProto: types 1 FLOAT, 2 INT, 7 INTS. */
function attributeProto(name: string, value: Attribute): Uint8Array {
  if (typeof value === "number") return message([1, name], [3, value], [20, 2]);
  if ("float" in value) return message([1, name], [2, { float: value.float }], [20, 1]);
  return message([1, name], ...value.map((one) => [8, one] as const), [20, 7]);
}

/** [rows, columns] to [columns, rows]. */
function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  const turned = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      turned[column * rows + row] = values[row * columns + column] as number;
    }
  }
  return turned;
}

/** [D, P, P, 3], flat, to [D, 3, P, P]. */
function channelsFirst(values: Float32Array, D: number, P: number): Float32Array {
  const turned = new Float32Array(values.length);
  for (let out = 0; out < D; out++) {
    const at = out * P * P * 3;
    const kernel = values.subarray(at, at + P * P * 3);
    turned.set(transposed(kernel, P * P, 3), at);
  }
  return turned;
}
