export { type Channels, type CollateOptions, collate } from "./collate.ts";
export { type DecodeImageOptions, decodeImage, type ImageDecoder } from "./decode-image.ts";
export { flipImage } from "./flip-image.ts";
export {
  type ImageDataset,
  type ImageDatasetOptions,
  type ImageTransform,
  imageDataset,
  type LabelledImage,
  type SampleOptions,
} from "./image-dataset.ts";
export { imageFiles, type NamedBlob } from "./image-files.ts";
export { imageFolder } from "./image-folder.ts";
export type { ImageFolder, ImageSample, ScanOptions } from "./image-samples.ts";
export {
  type RandomCropOptions,
  type RandomResizedCropOptions,
  randomResizedCrop,
} from "./random-resized-crop.ts";
export { type ResizeImageOptions, type ResizeMode, resizeImage } from "./resize-image.ts";
export type { RgbImage } from "./rgb-image.ts";
