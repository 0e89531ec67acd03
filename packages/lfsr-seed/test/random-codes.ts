import { Rng } from "@corenet/core";
import { type LfsrConfigOptions, lfsrConfig } from "../src/codec/config.ts";
import { blockGrid, type LfsrLayout, type LfsrTensor, payloadSizes } from "../src/codec/lfsr-tensor.ts";

export interface RandomCodesOptions extends LfsrConfigOptions {
  readonly layout?: LfsrLayout;
  readonly seed?: number;
  /** @default -13, which gives weights near 1 */
  readonly expBias?: number;
}

/** Codes of a matrix that nobody encoded: any seed, any coefficient, any of the four highest exponents. */
export function randomCodes(
  rows: number,
  columns: number,
  { layout = "rows", seed = 1, expBias = -13, ...options }: RandomCodesOptions = {},
): LfsrTensor {
  const config = lfsrConfig(options);
  const { K, P } = config;
  const { blocks } = blockGrid("randomCodes", [rows, columns], config.C, layout);
  const sizes = payloadSizes(blocks, config);
  const rng = new Rng(seed);
  const byte = () => Math.floor(rng.uniform() * 256);
  const seeds = K <= 16 ? new Uint16Array(blocks) : new Uint32Array(blocks);
  for (let i = 0; i < blocks; i++) seeds[i] = 1 + Math.floor(rng.uniform() * (2 ** K - 1));
  const codes = new Uint8Array(sizes.codes).map(byte);
  const exponents = new Uint8Array(sizes.exponents).map(() => byte() | 0xcc);
  const blockBytes = (P + 1) / 2;
  if (P % 2 === 1)
    for (let i = 0; i < blocks; i++) codes[i * blockBytes] = (codes[i * blockBytes] as number) | 12;
  if (blocks % 2 === 1 && exponents.length > 0)
    exponents[exponents.length - 1] = (exponents.at(-1) as number) & 15;
  return { config, shape: [rows, columns], layout, expBias, seeds, codes, exponents, sourceDtype: "F32" };
}
