/** ViT-B/16 on images of 224 x 224: Dosovitskiy et al. 2021, table 1. */
export const BASE = {
  imageSize: 224,
  patchSize: 16,
  modelDim: 768,
  numHeads: 12,
  numLayers: 12,
  numClasses: 1000,
} as const;
