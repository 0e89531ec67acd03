// Matrices of 8 and 4 bits in a safetensors file: three entries each.
import { FormatError } from "@corenet/core";
import type { QuantizedRows } from "@corenet/core/quantize";
import type { PackedContainer, PackedInfo, SafetensorsEntry, TensorFile } from "@corenet/formats";
import { IntMatrix, type PackedMatrix } from "@corenet/tensor";

const suffixes = { shape: ".int_shape", quants: ".int_quants", scales: ".int_scales" } as const;

/**
 * How models save and load matrices that were quantized to int8 or int4: for each `NAME.int_shape` I32 [3], rows,
 * columns and bits; `NAME.int_quants` U8, GGUF's integers group by group; `NAME.int_scales` F16, one for each group.
 *
 * @example await saveOpenElm(model, folder, { packed: [intContainer()] });
 */
export function intContainer(): PackedContainer<PackedMatrix> {
  return {
    format: "int",
    async find(file, options) {
      const found = new Map<string, PackedInfo>();
      for (const entry of file.tensors.keys()) {
        if (!entry.endsWith(suffixes.shape)) continue;
        const name = entry.slice(0, -suffixes.shape.length);
        const { rows, columns } = await readShape(file, name, options);
        const entries = Object.values(suffixes).map((suffix) => name + suffix);
        const byteLength = entries.reduce((sum, one) => sum + (file.tensors.get(one)?.byteLength ?? 0), 0);
        found.set(name, { shape: [rows, columns], entries, byteLength });
      }
      return found;
    },
    async read(file, name, options) {
      return IntMatrix.fromPieces(await readShape(file, name, options), {
        quants: file.pieces(name + suffixes.quants, options),
        scales: file.pieces(name + suffixes.scales, options),
      });
    },
    entries(name, matrix) {
      return matrix instanceof IntMatrix ? Promise.resolve(entriesOf(name, matrix)) : undefined;
    },
  };
}

function entriesOf(name: string, matrix: IntMatrix): SafetensorsEntry[] {
  const [rows, columns] = matrix.shape;
  const groups = rows * Math.ceil(columns / 32);
  const isBytes = matrix.format === "int8";
  const shape = Int32Array.of(rows, columns, isBytes ? 8 : 4);
  return [
    { name: name + suffixes.shape, dtype: "I32", shape: [3], data: shape },
    {
      ...{ name: name + suffixes.quants, dtype: "U8", shape: [groups, isBytes ? 32 : 16] },
      data: () => matrix.readQuants(),
    },
    {
      ...{ name: name + suffixes.scales, dtype: "F16", shape: [groups] },
      data: () => matrix.readScales(),
    },
  ];
}

/** What the entries of a matrix say of it, checked against their sizes before anything is allocated. */
async function readShape(
  file: TensorFile,
  name: string,
  options?: Parameters<TensorFile["read"]>[1],
): Promise<Pick<QuantizedRows, "rows" | "columns" | "format">> {
  const [shape, quants, scales] = Object.values(suffixes).map((suffix) => file.tensors.get(name + suffix));
  const broken = (what: string) =>
    new FormatError(`intContainer: ${name} ${what}. Quantize the model again.`, {
      ...(shape ? { file: shape.file } : {}),
      tensor: name,
    });
  if (!shape || !quants || !scales) {
    throw broken(`has not all of ${Object.values(suffixes).join(", ")}`);
  }
  if (shape.dtype !== "I32" || shape.byteLength !== 12)
    throw broken(`has a shape entry of ${shape.byteLength} bytes`);
  const [rows = 0, columns = 0, bits = 0] = (await file.read(name + suffixes.shape, options)) as Int32Array;
  const groups = rows * Math.ceil(columns / 32);
  const fits =
    rows >= 0 &&
    columns >= 0 &&
    (bits === 8 || bits === 4) &&
    quants.dtype === "U8" &&
    quants.byteLength === groups * (bits === 8 ? 32 : 16) &&
    scales.dtype === "F16" &&
    scales.byteLength === groups * 2;
  if (fits) return { rows, columns, format: bits === 8 ? "int8" : "int4" };
  throw broken(
    `says ${rows} rows, ${columns} columns and ${bits} bits, which do not fit ${quants.byteLength} bytes of integers and ` +
      `${scales.byteLength} of scales`,
  );
}
