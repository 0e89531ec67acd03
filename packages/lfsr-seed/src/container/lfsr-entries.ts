import type { SafetensorsEntry } from "@corenet/formats";
import { blockGrid, type LfsrTensor } from "../codec/lfsr-tensor.ts";
import { encodeConfigTensor } from "./config-tensor.ts";

/** What the four entries of a tensor are named: `NAME` and one of these. */
export const suffixes = {
  config: ".lfsr_config",
  seeds: ".lfsr_seeds",
  words: ".lfsr_words",
  coeffs: ".lfsr_coeffs",
  exponents: ".lfsr_exponents",
} as const;

/**
 * A compressed tensor as entries of a safetensors file, to be passed to `writeSafetensors`. They hold the tensor's own
 * arrays.
 */
export function lfsrEntries(name: string, tensor: LfsrTensor): SafetensorsEntry[] {
  const { config, shape, layout, seeds, codes, exponents } = tensor;
  const { blocks } = blockGrid("lfsrEntries", shape, config.C, layout);
  const seedType = seeds instanceof Uint16Array ? "U16" : "U32";
  const entries: SafetensorsEntry[] = [
    { name: name + suffixes.config, dtype: "I32", shape: [16], data: encodeConfigTensor(tensor) },
    { name: name + suffixes.seeds, dtype: seedType, shape: [blocks], data: seeds },
  ];
  if (config.P % 2 === 1) {
    const shape = [blocks, (config.P + 1) / 2];
    return [...entries, { name: name + suffixes.words, dtype: "U8", shape, data: codes }];
  }
  return [
    ...entries,
    { name: name + suffixes.coeffs, dtype: "U8", shape: [blocks, config.P / 2], data: codes },
    { name: name + suffixes.exponents, dtype: "U8", shape: [Math.ceil(blocks / 2)], data: exponents },
  ];
}
