import { planProduct, type RightMatrix } from "@corenet/tensor";
import { inputOf, type KernelContext } from "./context.ts";
import { sizeOf } from "./strides.ts";

/** Matrix products [..., M, K] · [..., K, N], either side turned, with equal leading axes or one matrix for all. */
export function registerMatMul(context: KernelContext): void {
  context.define("BatchMatMul", (inputs, { transposeA, transposeB }) => {
    const [a, b] = [inputOf(inputs, "a"), inputOf(inputs, "b")];
    if (a.dtype !== "float32" || b.dtype !== "float32") {
      throw new TypeError(`matMul: got ${a.dtype} and ${b.dtype}, expected float32 on webgpu.`);
    }
    const [rowsA, columnsA] = a.shape.slice(-2) as [number, number];
    const [rowsB, columnsB] = b.shape.slice(-2) as [number, number];
    const [M, K] = transposeA ? [columnsA, rowsA] : [rowsA, columnsA];
    const N = transposeB ? rowsB : columnsB;
    const [leadA, leadB] = [a.shape.slice(0, -2), b.shape.slice(0, -2)];
    const [countA, countB] = [sizeOf(leadA), sizeOf(leadB)];
    const batch = Math.max(countA, countB);
    const c = context.output([...(countA >= countB ? leadA : leadB), M, N], "float32");
    if (batch * M * N === 0) return c;
    const { program, workgroups, uniforms } = planProduct(
      { batch, M, N, K, sharedA: countA === 1 },
      { transposeA: Boolean(transposeA), right: transposeB ? turned : plain },
    );
    const strideB = countB === 1 ? 0 : K * N;
    context.run(program, { a, b, c }, workgroups, { ...uniforms, strideB });
    return c;
  });
}

const dense = { reads: { b: "f32" }, uniforms: { strideB: "u32" } } as const;

const plain: RightMatrix = {
  ...dense,
  name: "B",
  alongK: false,
  code: "fn right(batch: u32, k: u32, n: u32) -> f32 { return b[batch * u.strideB + k * u.N + n]; }",
};

const turned: RightMatrix = {
  ...dense,
  name: "B turned",
  alongK: true,
  code: "fn right(batch: u32, k: u32, n: u32) -> f32 { return b[batch * u.strideB + n * u.K + k]; }",
};
