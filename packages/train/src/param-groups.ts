import type { Tensor } from "@corenet/tensor";

/** Parameters that are updated by rules of their own. The first group that matches a parameter holds. */
export interface ParamGroup {
  /** @param path - such as `layers.0.attn.qkv_proj.weight` */
  readonly match: (path: string, leaf: Tensor) => boolean;
  /** @default the optimizer's for rank 2 and more, 0 below */
  readonly weightDecay?: number;
  /** Times the learning rate of the step. 0 freezes: no moments, no update. @default 1 */
  readonly learningRateScale?: number;
}

export interface ParamRule {
  readonly weightDecay: number;
  readonly learningRateScale: number;
}

/**
 * How one parameter is updated. Without a group, matrices decay and gains and biases do not.
 *
 * @throws RangeError when the group's numbers are not finite and >= 0
 */
export function ruleOf(
  path: string,
  leaf: Tensor,
  groups: readonly ParamGroup[],
  weightDecay: number,
): ParamRule {
  const group = groups.find(({ match }) => match(path, leaf));
  const rule = {
    weightDecay: group?.weightDecay ?? (leaf.rank >= 2 ? weightDecay : 0),
    learningRateScale: group?.learningRateScale ?? 1,
  };
  for (const [name, value] of Object.entries(rule)) {
    if (value >= 0 && value < Infinity) continue;
    throw new RangeError(
      `ParamGroup: ${name} of ${path || "params"} is ${value}, expected a finite number >= 0.`,
    );
  }
  return rule;
}
