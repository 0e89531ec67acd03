import { FormatError } from "@corenet/core";
import type { ReadOptions, SafetensorsEntry, TensorFile } from "@corenet/formats";
import { lfsrConfig } from "../codec/config.ts";
import { checkExpBias } from "../codec/exponent-rule.ts";
import type { LfsrTensor } from "../codec/lfsr-tensor.ts";

/**
 * A tensor of a NanoSeedLM folder: `NAME.seeds`, and `NAME.nibbles` (SEED4: 4 bits, P = 3) or `NAME.coefs` and
 * `NAME.codes` (SEED4P4: 4.5 bits, P = 4). Registers and bit orders are ours, so nothing is coded anew. Decoded there,
 * weights are rounded to bfloat16 once more.
 *
 * @returns its slices, the experts of a mixture, each [rows, columns] with an exponent window of its own
 * @throws FormatError when entries are missing or do not fit each other, or a seed is 0
 * @see https://github.com/mbarnson/NanoSeedLM, nslm/model_st.h
 */
export async function readNanoTensor(
  file: TensorFile,
  name: string,
  options: ReadOptions = {},
): Promise<LfsrTensor[]> {
  const isP4 = file.tensors.has(`${name}.coefs`);
  const where = file.tensors.get(`${name}.seeds`)?.file ?? "the file";
  const fail = (text: string) =>
    new FormatError(`readNanoTensor: tensor ${JSON.stringify(name)} of ${where} ${text}`, {
      file: where,
      tensor: name,
    });
  const [slices = 0, rows = 0, columnBlocks = 0] = file.tensors.get(`${name}.seeds`)?.shape ?? [];
  const blocks = rows * columnBlocks; // of a slice
  const grid = [slices, rows, columnBlocks];
  const wanted: [suffix: string, dtype: string, shape: number[]][] = [
    ["seeds", "U16", grid],
    [isP4 ? "coefs" : "nibbles", "U16", grid],
    ["exp_bias", "I32", [slices]],
    ...(isP4 ? [["codes", "U8", [slices, rows, columnBlocks / 2]] satisfies [string, string, number[]]] : []),
  ];
  for (const [suffix, dtype, shape] of wanted) {
    const entry = file.tensors.get(`${name}.${suffix}`);
    if (entry?.dtype === dtype && entry.shape.join() === shape.join()) continue;
    const seen = entry ? `is ${entry.dtype} [${entry.shape}]` : "is missing";
    throw fail(`contradicts itself: ${suffix} ${seen}, expected ${dtype} [${shape}]. Get the folder again.`);
  }

  const config = lfsrConfig({ bits: isP4 ? 4.5 : 4 });
  const seeds = (await file.read(`${name}.seeds`, options)) as Uint16Array<ArrayBuffer>;
  const words = (await file.read(
    `${name}.${isP4 ? "coefs" : "nibbles"}`,
    options,
  )) as Uint16Array<ArrayBuffer>;
  const biases = (await file.read(`${name}.exp_bias`, options)) as Int32Array<ArrayBuffer>;
  const codes = isP4
    ? ((await file.read(`${name}.codes`, options)) as Uint8Array<ArrayBuffer>)
    : new Uint8Array(0);
  const zero = seeds.indexOf(0);
  if (zero >= 0) throw fail(`has seed 0 in block ${zero}, expected 1 to 65535. Get the folder again.`);
  return Array.from(biases, (expBias, slice) => {
    checkExpBias(`readNanoTensor: slice ${slice} of ${name}`, expBias, config.K);
    const part = [slice * blocks, (slice + 1) * blocks] as const;
    return {
      ...{ config, shape: [rows, columnBlocks * config.C], layout: "rows", expBias, sourceDtype: "BF16" },
      seeds: seeds.slice(...part),
      codes: new Uint8Array(words.slice(...part).buffer),
      exponents: isP4 ? codes.slice(part[0] / 2, part[1] / 2) : new Uint8Array(0),
    };
  });
}

/**
 * The entries of a NanoSeedLM folder for one tensor, to be passed to `writeSafetensors`.
 *
 * @param slices - tensors [rows, columns] of one shape and configuration, 4 or 4.5 bits: experts, or one alone
 * @throws RangeError when they are not what that format can hold
 */
export function nanoEntries(name: string, slices: readonly LfsrTensor[]): SafetensorsEntry[] {
  const [first] = slices;
  const [rows = 0, cols = 0] = first?.shape ?? [];
  const isP4 = first?.config.P === 4;
  const named = lfsrConfig({ bits: isP4 ? 4.5 : 4 });
  const fits = slices.every(
    ({ config, shape }) =>
      JSON.stringify(config) === JSON.stringify(named) && shape.join() === [rows, cols].join(),
  );
  const multiple = isP4 ? 16 : 8;
  if (!first || !fits || first.shape.length !== 2 || cols % multiple !== 0) {
    throw new RangeError(
      `nanoEntries: ${name} has ${slices.length} slices of [${first?.shape}] with (C, P, K) = ` +
        `(${first?.config.C}, ${first?.config.P}, ${first?.config.K}), expected one or more of one shape [rows, columns], ` +
        `columns a multiple of ${multiple}, with lfsrConfig({ bits: 4 }) or 4.5. Encode them so.`,
    );
  }
  const grid = [slices.length, rows, cols / 8];
  const u16 = (parts: (Uint16Array | Uint8Array | Uint32Array)[]) => new Uint16Array(joined(parts).buffer);
  const entry = (
    suffix: string,
    dtype: SafetensorsEntry["dtype"],
    shape: number[],
    data: SafetensorsEntry["data"],
  ) => ({
    ...{ name: `${name}.${suffix}`, dtype, shape, data },
  });
  return [
    entry("seeds", "U16", grid, u16(slices.map(({ seeds }) => seeds))),
    entry(isP4 ? "coefs" : "nibbles", "U16", grid, u16(slices.map(({ codes }) => codes))),
    entry(
      "exp_bias",
      "I32",
      [slices.length],
      Int32Array.from(slices, ({ expBias }) => expBias),
    ),
    ...(isP4
      ? [
          entry(
            "codes",
            "U8",
            [slices.length, rows, cols / 16],
            joined(slices.map(({ exponents }) => exponents)),
          ),
        ]
      : []),
  ];
}

/** The bytes of several arrays, one after the other. */
function joined(parts: readonly (Uint8Array | Uint16Array | Uint32Array)[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(new Uint8Array(part.buffer, part.byteOffset, part.byteLength), at);
    at += part.byteLength;
  }
  return bytes;
}
