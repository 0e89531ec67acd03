// What a backend package needs to plug into TensorFlow.js's engine. Not for models and algorithms.
export { dataIdOf, replaceKernel, type TensorInfo, tensorFromInfo } from "./raw.ts";
