import { FormatError } from "@corenet/core";
import { type LfsrConfig, lfsrConfig } from "../codec/config.ts";
import { checkExpBias } from "../codec/exponent-rule.ts";
import type { LfsrLayout, LfsrTensor, SourceDtype } from "../codec/lfsr-tensor.ts";

const layouts: readonly LfsrLayout[] = ["flat", "rows"];
const sourceDtypes: readonly SourceDtype[] = ["F32", "F16", "BF16"];

/** The 16 numbers that say how a tensor is coded: `NAME.lfsr_config`. */
export function encodeConfigTensor(tensor: LfsrTensor): Int32Array<ArrayBuffer> {
  const { config, shape, layout, expBias, sourceDtype } = tensor;
  const { C, P, K, taps, decimation, mantissaBits, exponentBits } = config;
  const sizes = Array.from({ length: 4 }, (_, axis) => shape[axis] ?? 1);
  const how = [1, C, P, K, taps, decimation, layouts.indexOf(layout), expBias, mantissaBits, exponentBits];
  return Int32Array.from([...how, shape.length, ...sizes, sourceDtypes.indexOf(sourceDtype)]);
}

/**
 * Reads the 16 numbers back, and checks each.
 *
 * @param file - name of the file, for error texts
 * @param name - of the tensor
 * @throws FormatError when they are of another version, or contradict themselves
 */
export function parseConfigTensor(
  numbers: Int32Array,
  file: string,
  name: string,
): Pick<LfsrTensor, "config" | "shape" | "layout" | "expBias" | "sourceDtype"> {
  const fail = (text: string, cause?: unknown) =>
    new FormatError(`readLfsrTensor: tensor ${JSON.stringify(name)} of ${file} ${text}`, {
      ...{ file, tensor: name },
      ...(cause === undefined ? {} : { cause }),
    });
  const [version, C, P, K, taps, decimation, layoutCode, expBias = 0, mantissaBits, exponentBits, rank = 0] =
    numbers;
  const sizes = [...numbers.subarray(11, 15)];
  if (version !== 1) throw fail(`is of version ${version}, expected 1. Update @corenet/lfsr-seed.`);
  if (mantissaBits !== 4 || exponentBits !== 4) {
    throw fail(
      `has ${mantissaBits}-bit coefficients and ${exponentBits}-bit exponents, expected 4 and 4. It is damaged.`,
    );
  }
  const layout = layouts[layoutCode ?? -1];
  const sourceDtype = sourceDtypes[numbers[15] ?? -1];
  if (!layout) throw fail(`has layout ${layoutCode}, expected 0 (flat) or 1 (rows). It is damaged.`);
  if (!sourceDtype) throw fail(`has source dtype ${numbers[15]}, expected 0, 1 or 2. It is damaged.`);
  const isShape = sizes.every((size, axis) => size >= 0 && (axis < rank || size === 1));
  if (!(rank >= 1 && rank <= 4 && isShape)) {
    throw fail(
      `has rank ${rank} and sizes [${sizes}], expected 1 to 4 sizes >= 0, then ones. It is damaged.`,
    );
  }
  let config: LfsrConfig;
  try {
    config = lfsrConfig({ C, P, K, taps, decimation });
    checkExpBias("lfsr_config", expBias, config.K);
  } catch (cause) {
    throw fail(
      `has a configuration that cannot be: ${cause instanceof Error ? cause.message : cause}`,
      cause,
    );
  }
  return { config, shape: sizes.slice(0, rank), layout, expBias, sourceDtype };
}
