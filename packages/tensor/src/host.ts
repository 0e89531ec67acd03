// What a backend package needs to plug into TensorFlow.js's engine. Not for models and algorithms.
export { type ProductParts, type ProductSize, productParts } from "./product-parts.ts";
export { dataIdOf, readTensorSync, replaceKernel, type TensorInfo, tensorFromInfo } from "./raw.ts";
