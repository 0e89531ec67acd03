// `@corenet/core/quantize`: numbers of 8 and 4 bits, for formats and devices.
export {
  dequantizeRows,
  GROUP_SIZE,
  type QuantizedRows,
  quantizeRows,
  rowQuantizer,
} from "./quantize-groups.ts";
