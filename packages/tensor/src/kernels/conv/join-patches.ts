import type { ConvAxis } from "./axis.ts";
import type { ConvAttrs } from "./op.ts";

/** A convolution whose pixels may be several of the image's, side by side in memory. */
export interface JoinedConv {
  readonly rows: ConvAxis;
  readonly columns: ConvAxis;
  readonly channels: number;
}

/**
 * Windows that lie side by side, each as wide as the stride, are pixels with more channels: [height, columns · kernel, C] is
 * [height, columns, kernel · C] in the same memory, and the weight stays as it is. A row of a patch is then one tap.
 */
export function joinPatches({ rows, columns, groups }: ConvAttrs, channels: number): JoinedConv {
  const { input, output, kernel, stride, dilation, before } = columns;
  const isTiled = kernel === stride && (dilation === 1 || kernel === 1) && before === 0;
  if (groups > 1 || !isTiled || input !== output * kernel) return { rows, columns, channels };
  const joined = { input: output, output, kernel: 1, stride: 1, dilation: 1, before: 0 };
  return { rows, columns: joined, channels: kernel * channels };
}
