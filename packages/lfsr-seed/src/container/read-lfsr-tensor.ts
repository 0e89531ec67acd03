import { FormatError } from "@corenet/core";
import type { Dtype, ReadOptions, TensorData, TensorFile } from "@corenet/formats";
import { blockDecoder } from "../codec/decode.ts";
import { blockGrid, type LfsrTensor } from "../codec/lfsr-tensor.ts";
import { parseConfigTensor } from "./config-tensor.ts";
import { suffixes } from "./lfsr-entries.ts";

/** Names of the compressed tensors of a file, in its order. */
export function lfsrTensorNames(file: TensorFile): string[] {
  return [...file.tensors.keys()]
    .filter((name) => name.endsWith(suffixes.config))
    .map((name) => name.slice(0, -suffixes.config.length));
}

/**
 * Reads a compressed tensor. Sizes are compared before anything is read, and every seed is checked.
 *
 * @param name - of the tensor, without `.lfsr_config`
 * @throws RangeError when the file has no compressed tensor of that name
 * @throws FormatError when its entries contradict each other, or hold what no encoder writes: it names the block
 * @throws IoError when the file cannot be read
 */
export async function readLfsrTensor(
  file: TensorFile,
  name: string,
  options: ReadOptions = {},
): Promise<LfsrTensor> {
  const info = file.tensors.get(name + suffixes.config);
  if (!info) {
    const names = lfsrTensorNames(file);
    throw new RangeError(
      `readLfsrTensor: there is no compressed tensor ${JSON.stringify(name)}, expected one of ${names.length}, such as ` +
        `${names.slice(0, 3).join(", ") || "none"}. See lfsrTensorNames.`,
    );
  }
  const where = info.file;
  const fail = (text: string) =>
    new FormatError(`readLfsrTensor: tensor ${JSON.stringify(name)} of ${where} ${text}`, {
      file: where,
      tensor: name,
    });

  check(suffixes.config, ["I32"], [16]);
  const numbers = await file.read(name + suffixes.config, options);
  const parsed = parseConfigTensor(numbers as Int32Array, where, name);
  const { config, shape, layout } = parsed;
  const { P, K } = config;
  const { blocks } = blockGrid("readLfsrTensor", shape, config.C, layout);
  const isOdd = P % 2 === 1;
  const codeSuffix = isOdd ? suffixes.words : suffixes.coeffs;
  check(suffixes.seeds, K <= 16 ? ["U16"] : ["U32"], [blocks]);
  check(codeSuffix, ["U8"], [blocks, isOdd ? (P + 1) / 2 : P / 2]);
  if (!isOdd) check(suffixes.exponents, ["U8"], [Math.ceil(blocks / 2)]);

  const seeds = await file.read(name + suffixes.seeds, options);
  const codes = await file.read(name + codeSuffix, options);
  const exponents = isOdd ? new Uint8Array(0) : await file.read(name + suffixes.exponents, options);
  checkSeeds(seeds, K);
  if (blocks % 2 === 1 && !isOdd && (exponents.at(-1) as number) > 15) {
    throw fail(`has an exponent after its last block, ${blocks - 1}, expected 0 there. ${damaged}`);
  }
  const tensor: LfsrTensor = {
    ...parsed,
    seeds: seeds as Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer>,
    codes: codes as Uint8Array<ArrayBuffer>,
    exponents: exponents as Uint8Array<ArrayBuffer>,
  };
  checkFinite(tensor);
  return tensor;

  function check(suffix: string, dtypes: readonly Dtype[], wanted: readonly number[]): void {
    const entry = file.tensors.get(name + suffix);
    const fits = entry && dtypes.includes(entry.dtype) && entry.shape.join() === wanted.join();
    if (fits) return;
    const seen = entry ? `is ${entry.dtype} [${entry.shape}]` : "is missing";
    throw fail(`contradicts itself: ${suffix.slice(1)} ${seen}, expected ${dtypes} [${wanted}]. ${damaged}`);
  }

  function checkSeeds(seeds: TensorData, K: number): void {
    for (let block = 0; block < seeds.length; block++) {
      const seed = seeds[block] as number;
      if (seed === 0 || seed >= 2 ** K) {
        throw fail(`has seed ${seed} in block ${block}, expected 1 to ${2 ** K - 1}. ${damaged}`);
      }
    }
  }

  /** Only windows near the top of float32 can decode to infinity, and encoders take no code that does. */
  function checkFinite(tensor: LfsrTensor): void {
    if (8 * P * 2 ** (tensor.expBias + 15) < 2 ** 127) return;
    const decode = blockDecoder(tensor);
    const weights = new Float32Array(config.C);
    for (let block = 0; block < blocks; block++) {
      decode(block, block + 1, weights, 0);
      if (weights.every(Number.isFinite)) continue;
      throw fail(`decodes to infinity in block ${block}, expected finite weights. ${damaged}`);
    }
  }
}

const damaged = "The file is damaged; download or write it again.";
