import { BackendError } from "@corenet/core";

export interface DeviceOptions {
  /** Which of several GPUs to take. @default "high-performance" */
  powerPreference?: GPUPowerPreference;
}

const wantedFeatures: readonly GPUFeatureName[] = ["subgroups", "shader-f16", "timestamp-query"];

/**
 * A device of our own, with all that its adapter offers: TensorFlow.js asks for six of its limits and no features.
 *
 * @throws BackendError when the runtime has no WebGPU, or WebGPU finds no GPU; it says what to install
 */
export async function requestDevice({
  powerPreference = "high-performance",
}: DeviceOptions): Promise<GPUDevice> {
  const gpu = await findGpu();
  const adapter = await gpu.requestAdapter({ powerPreference });
  if (!adapter) throw new BackendError(noAdapter());
  const requiredLimits: Record<string, number> = {};
  for (const name in adapter.limits) {
    const limit: unknown = Reflect.get(adapter.limits, name);
    if (typeof limit === "number") requiredLimits[name] = limit;
  }
  const requiredFeatures = wantedFeatures.filter((feature) => adapter.features.has(feature));
  try {
    return await adapter.requestDevice({ label: "corenet", requiredFeatures, requiredLimits });
  } catch (cause) {
    throw new BackendError(
      "webgpu: the adapter gives no device. Close other users of the GPU, or use wasm().",
      {
        cause,
      },
    );
  }
}

/** The browser's entry to WebGPU, or that of the npm package `webgpu` in Node. */
async function findGpu(): Promise<GPU> {
  if (globalThis.navigator?.gpu) return navigator.gpu;
  if (!isNode()) {
    throw new BackendError(
      "webgpu: this browser or page has no WebGPU. It needs a current Chromium, Firefox or Safari and a page served by https or localhost. Use wasm() instead.",
    );
  }
  nodeGpu ??= await createNodeGpu();
  return nodeGpu;
}

let nodeGpu: GPU | null = null; // lives as long as its devices

async function createNodeGpu(): Promise<GPU> {
  const specifier = "webgpu"; // in a variable, so that bundlers for browsers do not look for it
  try {
    const { create } = (await import(/* @vite-ignore */ /* webpackIgnore: true */ specifier)) as {
      create(options: readonly string[]): GPU;
    };
    return create([]);
  } catch (cause) {
    const missing = (cause as { code?: string }).code === "ERR_MODULE_NOT_FOUND";
    throw new BackendError(
      missing
        ? "webgpu: Node has no WebGPU of its own. Install the package that brings it: npm install webgpu"
        : `webgpu: the npm package webgpu does not load: ${cause instanceof Error ? cause.message : cause}`,
      { cause },
    );
  }
}

function isNode(): boolean {
  return typeof process !== "undefined" && Boolean(process.versions?.node);
}

function noAdapter(): string {
  if (!isNode()) {
    return "webgpu: the browser finds no GPU that it may use. Look at chrome://gpu, or use wasm().";
  }
  const linux =
    process.platform === "linux"
      ? " It needs the Vulkan loader and a driver: apt-get install libvulkan1, and the driver of your GPU, or for tests " +
        "without one apt-get install chromium and VK_ICD_FILENAMES=/usr/lib/chromium/vk_swiftshader_icd.json."
      : " Install or update the driver of your GPU.";
  return `webgpu: the npm package webgpu finds no GPU.${linux} Or use wasm().`;
}
