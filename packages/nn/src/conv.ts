import type { Rng } from "@corenet/core";
import { loadKernels, type Tensor1D, type Tensor3D, type Tensor4D, transpose } from "@corenet/tensor";
import { uniform } from "./initializers.ts";

/** A window and a bias, as `conv1d(x, weight, { bias })` and `conv2d` of @corenet/tensor take them. */
export type ConvParams<T extends Tensor3D | Tensor4D> = {
  /** [outputs, kernel, C / groups], or [outputs, kernel height, kernel width, C / groups] */
  readonly weight: T;
  /** [outputs] */
  readonly bias?: Tensor1D;
};

export interface CreateConvOptions<Kernel> {
  /** C, of what goes in. */
  channels: number;
  outputs: number;
  /** Sides of the window. */
  kernel: Kernel;
  /** Divides channels and outputs. @default 1 */
  groups?: number;
  /** Whether there is a bias. @default true */
  bias?: boolean;
}

/**
 * A convolution of sequences to train, as PyTorch begins: weight and bias uniform in ±1/√(kernel · C / groups). Also loads the
 * kernels of the active backend.
 *
 * @returns new parameters, the caller's
 * @throws RangeError when the groups do not divide channels and outputs
 */
export async function createConv1d(
  options: CreateConvOptions<number>,
  rng: Rng,
): Promise<ConvParams<Tensor3D>> {
  const channels = groupChannels("createConv1d", options);
  return createParams<Tensor3D>([options.outputs, options.kernel, channels], options, rng);
}

/**
 * A convolution of images to train, as PyTorch begins: weight and bias uniform in ±1/√(kernel height · kernel width ·
 * C / groups). Also loads the kernels of the active backend.
 *
 * @returns new parameters, the caller's
 * @throws RangeError when the groups do not divide channels and outputs
 */
export async function createConv2d(
  options: CreateConvOptions<number | readonly [height: number, width: number]>,
  rng: Rng,
): Promise<ConvParams<Tensor4D>> {
  const { kernel, outputs } = options;
  const [height, width] = typeof kernel === "number" ? [kernel, kernel] : kernel;
  const channels = groupChannels("createConv2d", options);
  return createParams<Tensor4D>([outputs, height, width, channels], options, rng);
}

async function createParams<T extends Tensor3D | Tensor4D>(
  shape: T["shape"],
  { outputs, bias = true }: CreateConvOptions<unknown>,
  rng: Rng,
): Promise<ConvParams<T>> {
  await loadKernels();
  const bound = (shape.reduce((product, side) => product * side, 1) / outputs) ** -0.5;
  return {
    weight: uniform<T>(rng.split("weight"), shape, { bound }),
    ...(bias && { bias: uniform<Tensor1D>(rng.split("bias"), [outputs], { bound }) }),
  };
}

function groupChannels(who: string, { channels, outputs, groups = 1 }: CreateConvOptions<unknown>): number {
  if (channels % groups === 0 && outputs % groups === 0) return channels / groups;
  throw new RangeError(
    `${who}: ${groups} groups share ${channels} channels and ${outputs} outputs, expected a divisor of both.`,
  );
}

/** The weight of a convolution from that in a checkpoint: [outputs, C / groups, …] to [outputs, …, C / groups]. */
export function convWeight<T extends Tensor3D | Tensor4D>(kernel: T): T {
  const sides = kernel.shape.slice(2).map((_: number, i: number) => i + 2);
  return transpose<T>(kernel, [0, ...sides, 1]);
}
