import type { ConvAxis } from "./axis.ts";

/** The taps that meet the pixels `phase`, `phase` + stride, … of the input, ordered by the output they come from. */
export interface PhaseTaps {
  /** Pixels of the input in this phase. */
  readonly pixels: number;
  readonly taps: number;
  /** The tap that meets the lowest output, and how far the tap after it is. */
  readonly firstTap: number;
  readonly tapStep: number;
  /** The output that the first tap of the first pixel comes from, and how much higher the next tap's is. */
  readonly firstOutput: number;
  readonly outputStep: number;
}

/**
 * Every pixel `phase` + i · stride of the input is met by the same taps, at outputs that move along with i: so the
 * gradient of the input is, phase by phase, a convolution of stride 1 over the outputs.
 *
 * @param phase - in [0, stride)
 */
export function phaseTaps(axis: ConvAxis, phase: number): PhaseTaps {
  const { input, kernel, stride, dilation, before } = axis;
  const all = Array.from({ length: kernel }, (_, tap) => tap);
  const met = all.filter((tap) => (phase + before - tap * dilation) % stride === 0).reverse();
  const [first = 0, second = first] = met;
  const tapStep = second - first; // negative: a later tap meets an earlier output
  return {
    pixels: Math.max(0, Math.ceil((input - phase) / stride)),
    taps: met.length,
    firstTap: first,
    tapStep,
    firstOutput: (phase + before - first * dilation) / stride,
    outputStep: (-tapStep * dilation) / stride,
  };
}
