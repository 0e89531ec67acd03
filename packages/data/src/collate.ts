import { ShapeError } from "@corenet/core";
import { type Tensor4D, tensorFromPieces } from "@corenet/tensor";
import { checkImage, type RgbImage } from "./rgb-image.ts";

/** One number for each of red, green and blue. */
export type Channels = readonly [number, number, number];

export interface CollateOptions {
  /** Subtracted from values in [0, 1]. @default [0, 0, 0] */
  mean?: Channels;
  /** Divides what is left. @default [1, 1, 1] */
  std?: Channels;
  /** Channels last (TensorFlow.js, our models) or first (PyTorch). @default "NHWC" */
  layout?: "NHWC" | "NCHW";
}

/**
 * Images of one size as a batch: `(byte / 255 - mean) / std`, in float32. Each is converted into one buffer, and from
 * there copied onto the backend; no `tidy` around can free the batch, since this waits.
 *
 * @returns [B, height, width, 3], or [B, 3, height, width] with `layout: "NCHW"`
 * @throws RangeError when there are no images, or an option cannot be
 * @throws ShapeError when their sizes differ
 */
export async function collate(images: readonly RgbImage[], options: CollateOptions = {}): Promise<Tensor4D> {
  const { mean = [0, 0, 0], std = [1, 1, 1], layout = "NHWC" } = options;
  const [first] = images;
  if (!first) throw new RangeError("collate: got no images. Pass at least one.");
  for (const [i, image] of images.entries()) {
    checkImage(`collate: image ${i}`, image);
    if (image.height === first.height && image.width === first.width) continue;
    throw new ShapeError(
      `collate: image ${i} is ${image.height} x ${image.width}, expected ${first.height} x ${first.width} as image 0. ` +
        "Resize them to one size first.",
    );
  }
  if (layout !== "NHWC" && layout !== "NCHW") {
    throw new RangeError(`collate: layout is "${layout}", expected "NHWC" or "NCHW".`);
  }
  const tables = mean.map((value, c) => normalized(value, std[c] as number)) as [Table, Table, Table];
  const { height, width } = first;
  const shape: Tensor4D["shape"] =
    layout === "NHWC" ? [images.length, height, width, 3] : [images.length, 3, height, width];
  return tensorFromPieces<Tensor4D>(shape, "float32", pieces(images, tables, layout));
}

/** What each of the 256 bytes becomes. */
type Table = Float32Array;

function normalized(mean: number, std: number): Table {
  if (!(Number.isFinite(mean) && std > 0 && std < Infinity)) {
    throw new RangeError(
      `collate: a channel has mean ${mean} and std ${std}, expected finite numbers with std > 0. ` +
        "Give both for values in [0, 1].",
    );
  }
  return Float32Array.from({ length: 256 }, (_, byte) => (byte / 255 - mean) / std);
}

/** The floats of one image after the other, in a buffer that is used again. */
function* pieces(images: readonly RgbImage[], [red, green, blue]: [Table, Table, Table], layout: string) {
  const pixels = (images[0] as RgbImage).data.length / 3;
  const floats = new Float32Array(pixels * 3);
  const [step, plane] = layout === "NHWC" ? [3, 1] : [1, pixels];
  for (const { data } of images) {
    for (let i = 0, from = 0, to = 0; i < pixels; i++, from += 3, to += step) {
      floats[to] = red[data[from] as number] as number;
      floats[to + plane] = green[data[from + 1] as number] as number;
      floats[to + 2 * plane] = blue[data[from + 2] as number] as number;
    }
    yield new Uint8Array(floats.buffer);
  }
}
