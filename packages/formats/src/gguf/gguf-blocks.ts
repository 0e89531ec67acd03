import { GROUP_SIZE, type QuantizedRows } from "@corenet/core/quantize";

/**
 * Quantized rows as GGUF's blocks: each scale in front of its integers. int8 becomes Q8_0, int4 Q4_0; no number changes.
 *
 * @throws RangeError when the rows are not whole groups
 */
export function toGgufBlocks(quantized: QuantizedRows): Uint8Array<ArrayBuffer> {
  const { columns, quants, scales } = quantized;
  if (columns % GROUP_SIZE !== 0) {
    throw new RangeError(
      `toGgufBlocks: rows have ${columns} columns, expected a multiple of ${GROUP_SIZE}. Use F16.`,
    );
  }
  const size = scales.length === 0 ? 0 : quants.length / scales.length;
  const blocks = new Uint8Array(quants.length + 2 * scales.length);
  for (let i = 0; i < scales.length; i++) {
    const at = i * (size + 2);
    const scale = scales[i] as number;
    blocks[at] = scale & 255;
    blocks[at + 1] = scale >> 8;
    for (let j = 0; j < size; j++) blocks[at + 2 + j] = quants[i * size + j] as number;
  }
  return blocks;
}
