import type { Rng } from "@corenet/core";
import { type DecodeImageOptions, decodeImage } from "./decode-image.ts";
import { flipImage } from "./flip-image.ts";
import type { ImageFolder } from "./image-samples.ts";
import { randomResizedCrop } from "./random-resized-crop.ts";
import { resizeImage } from "./resize-image.ts";
import type { RgbImage } from "./rgb-image.ts";

/** What a sample is asked for with. */
export interface SampleOptions {
  /** In pixels. */
  height: number;
  /** In pixels. */
  width: number;
  /** Source of random augmentation; without it the sample is the same every time. */
  rng?: Rng | undefined;
  signal?: AbortSignal | undefined;
}

export interface LabelledImage {
  image: RgbImage;
  label: number;
}

/** Makes what the model sees. It borrows the decoded image, which may be in the cache, and must not write to it. */
export type ImageTransform = (
  image: RgbImage,
  options: { height: number; width: number; rng: Rng | undefined },
) => RgbImage | PromiseLike<RgbImage>;

export interface ImageDatasetOptions extends Pick<DecodeImageOptions, "decoder" | "maxPixels"> {
  /** Bytes of decoded images that are kept, those used last. @default 0 */
  cache?: number;
  /** @default with an rng, randomResizedCrop and half of the time flipImage; without, resizeImage with "cover" */
  transform?: ImageTransform;
}

export interface ImageDataset {
  readonly classes: readonly string[];
  readonly length: number;
  /**
   * A sample, read, decoded and brought to size. Holds one decoded image beside the cache for each call under way, so
   * the caller's concurrency bounds the memory.
   *
   * @throws FormatError with the path, when the file is damaged
   * @throws RangeError when there is no such sample or no such size
   */
  get(index: number, options: SampleOptions): Promise<LabelledImage>;
}

/** Labelled images as samples of any size, for an epoch of a sampler. @throws RangeError when `cache` is below 0 */
export function imageDataset(folder: ImageFolder, options: ImageDatasetOptions = {}): ImageDataset {
  const { decoder, maxPixels, cache: cacheBytes = 0, transform = defaultTransform } = options;
  if (!(cacheBytes >= 0)) {
    throw new RangeError(`imageDataset: cache is ${cacheBytes}, expected bytes >= 0. Use 0 to keep nothing.`);
  }
  const cache = new ImageCache(cacheBytes);

  async function decoded(index: number, signal: AbortSignal | undefined): Promise<RgbImage> {
    const cached = cache.get(index);
    if (cached) return cached;
    const bytes = await folder.read(index, { signal });
    const name = folder.samples[index]?.path ?? `sample ${index}`;
    const image = await decodeImage(bytes, { decoder, maxPixels, name, signal });
    cache.set(index, image);
    return image;
  }

  return {
    classes: folder.classes,
    length: folder.length,
    async get(index, { height, width, rng, signal }) {
      const image = await transform(await decoded(index, signal), { height, width, rng });
      return { image, label: folder.samples[index]?.label as number };
    },
  };
}

const defaultTransform: ImageTransform = (image, { height, width, rng }) => {
  if (!rng) return resizeImage(image, { height, width, mode: "cover" });
  const crop = randomResizedCrop(image, { height, width, rng });
  return rng.uniform() < 0.5 ? flipImage(crop) : crop;
};

/** Decoded images up to a number of bytes. What was not used for longest goes first. */
class ImageCache {
  readonly #maxBytes: number;
  readonly #images = new Map<number, RgbImage>(); // in the order of their last use
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get(index: number): RgbImage | undefined {
    const image = this.#images.get(index);
    if (image) {
      this.#images.delete(index);
      this.#images.set(index, image);
    }
    return image;
  }

  set(index: number, image: RgbImage): void {
    if (image.data.length > this.#maxBytes || this.#images.has(index)) return;
    this.#images.set(index, image);
    this.#bytes += image.data.length;
    for (const [oldest, { data }] of this.#images) {
      if (this.#bytes <= this.#maxBytes) return;
      this.#images.delete(oldest);
      this.#bytes -= data.length;
    }
  }
}
