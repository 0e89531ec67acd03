/** How the window of a convolution walks along one side of an image; all in pixels. */
export interface ConvAxis {
  readonly input: number;
  readonly output: number;
  readonly kernel: number;
  readonly stride: number;
  /** Distance of two taps of the kernel. */
  readonly dilation: number;
  /** Zeros in front of the first pixel. */
  readonly before: number;
}

/** The pixel that tap `tap` of output `at` reads; outside [0, input) lies padding. */
export function pixelOf({ stride, dilation, before }: ConvAxis, at: number, tap: number): number {
  return at * stride - before + tap * dilation;
}
