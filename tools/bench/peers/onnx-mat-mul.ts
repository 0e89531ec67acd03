// One matrix product as an ONNX model, for onnxruntime: MatMul in float32, or MatMulNBits for 8 and 4 bits.
import { InferenceSession, Tensor } from "onnxruntime-node";
import { FLOAT, message, tensorProto, UINT8, valueInfo } from "./onnx-proto.ts";

export interface OnnxProduct {
  readonly format: "f32" | "int8" | "int4";
  readonly M: number;
  readonly N: number;
  readonly K: number;
  readonly threads: number;
}

const BLOCK = 32;

/** x [M, K] · Wᵀ with a random W [N, K] that the session has packed as it likes. @returns runs it once */
export async function onnxProduct({
  format,
  M,
  N,
  K,
  threads,
}: OnnxProduct): Promise<() => Promise<Float32Array>> {
  const session = await InferenceSession.create(productModel({ format, M, N, K }), {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionProviders: ["cpu"],
  });
  const x = new Tensor(
    "float32",
    Float32Array.from({ length: M * K }, (_, i) => Math.sin(i)),
    [M, K],
  );
  return async () => {
    const { y } = await session.run({ x });
    return y?.data as Float32Array;
  };
}

function productModel({ format, M, N, K }: Omit<OnnxProduct, "threads">): Uint8Array {
  const bits = format === "int8" ? 8 : 4;
  const isFloat = format === "f32";
  const initializers = isFloat
    ? [tensorProto("w", FLOAT, [K, N], bytesOf(noise(K * N)))]
    : [
        tensorProto("w", UINT8, [N, K / BLOCK, (BLOCK * bits) / 8], randomBytes((N * K * bits) / 8)),
        tensorProto("s", FLOAT, [N * (K / BLOCK)], bytesOf(noise(N * (K / BLOCK)))),
      ];
  const attributes = { K, N, bits, block_size: BLOCK, accuracy_level: 4 }; // 4: activations in int8
  const node = isFloat
    ? message([1, "x"], [1, "w"], [2, "y"], [4, "MatMul"])
    : message(
        ...["x", "w", "s"].map((name) => [1, name] as const),
        [2, "y"],
        [4, "MatMulNBits"],
        ...Object.entries(attributes).map(([name, i]) => [5, message([1, name], [3, i], [20, 2])] as const),
        [7, "com.microsoft"],
      );
  const graph = message(
    [1, node],
    [2, "product"],
    ...initializers.map((tensor) => [5, tensor] as const),
    [11, valueInfo("x", [M, K])],
    [12, valueInfo("y", [M, N])],
  );
  return message(
    [1, 8],
    [7, graph],
    [8, message([1, ""], [2, 17])],
    [8, message([1, "com.microsoft"], [2, 1])],
  );
}

const noise = (length: number): Float32Array =>
  Float32Array.from({ length }, (_, i) => 0.03 * Math.sin(i * 12.9898));
const randomBytes = (length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i * 167 + (i >> 8)) & 255);
const bytesOf = (values: Float32Array): Uint8Array => new Uint8Array(values.buffer);
