import type { TensorInfo } from "@corenet/formats";

export interface SelectOptions {
  /**
   * Names to compress, in place of the linear weights of the blocks: patterns in which `*` stands for anything, or
   * regular expressions.
   */
  include?: readonly (string | RegExp)[] | undefined;
  /** Names to leave alone. */
  exclude?: readonly (string | RegExp)[] | undefined;
  /** Smaller tensors are left alone. @default 1024 */
  minElements?: number | undefined;
}

/**
 * Why a tensor is left alone, or undefined where it is compressed. Where `include` says nothing, compressed are the
 * matrices of numbered blocks (`layers.0.attn.qkv_proj.weight`), and left alone embeddings, heads, norms and biases.
 */
export function reasonToKeep(
  name: string,
  { dtype, shape }: TensorInfo,
  options: SelectOptions,
): string | undefined {
  const { include, exclude = [], minElements = 1024 } = options;
  const size = shape.reduce((product, n) => product * n, 1);
  const matches = (patterns: readonly (string | RegExp)[]) =>
    patterns.some((pattern) => toRegExp(pattern).test(name));
  if (dtype !== "F32" && dtype !== "F16" && dtype !== "BF16") return `is ${dtype}`;
  if (shape.length < 2 || shape.length > 4) return `has ${shape.length} axes`;
  if (matches(exclude)) return "is excluded";
  if (size < minElements) return `has fewer than ${minElements} weights`;
  if (include) return matches(include) ? undefined : "is not included";
  if (shape.length > 2) return "is no matrix";
  if (!/\.\d+\./.test(name)) return "is outside the blocks";
  return /embed|wte|wpe|norm|lm_head/i.test(name) ? "is no linear weight" : undefined;
}

/** A pattern in which `*` stands for any characters, as a regular expression for the whole name. */
function toRegExp(pattern: string | RegExp): RegExp {
  if (typeof pattern !== "string") return new RegExp(pattern, pattern.flags.replace("g", "")); // no state between tests
  const parts = pattern.split("*").map((part) => part.replace(/[\\^$.|?+()[\]{}]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`);
}
