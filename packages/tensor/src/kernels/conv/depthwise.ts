import type { ConvAttrs } from "./op.ts";

/** Whether each channel has a window of its own: then there is no product of matrices in it. */
export function isDepthwise({ groups }: ConvAttrs, channels: number, outputs: number): boolean {
  return groups > 1 && groups === channels && groups === outputs;
}
