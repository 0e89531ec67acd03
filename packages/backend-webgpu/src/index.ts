export { type WebGpuOptions, webgpu } from "./webgpu.ts";
