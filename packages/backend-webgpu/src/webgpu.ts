import type { Backend, RunningBackend } from "@corenet/tensor";
import { dataIdOf } from "@corenet/tensor/host";
import { type DeviceOptions, requestDevice } from "./device.ts";
import { createHost } from "./host.ts";
import { registerKernels } from "./kernels/index.ts";
import { Recorder } from "./recorder.ts";
import { GpuStorage, registerStorage } from "./storage.ts";
import { hasOrderlySubgroups } from "./subgroups.ts";

export interface WebGpuOptions extends DeviceOptions {
  /**
   * Whether sums over a workgroup may use subgroups, where the device has them: faster, and the order of additions then
   * depends on their width. @default true
   */
  subgroups?: boolean;
}

let started: Promise<RunningBackend> | null = null;

/**
 * WebGPU: the GPU of a browser, or in Node that of the npm package `webgpu`. A realm has one device, so a second start
 * gives the first again, unless that was disposed or lost.
 *
 * @throws BackendError at the start, when there is no WebGPU or no GPU; it says what to install
 */
export function webgpu(options: WebGpuOptions = {}): Backend {
  return {
    name: "webgpu",
    start() {
      started ??= forgetWhenOver(start(options));
      return started;
    },
  };
}

/** A start that failed, and a device that is lost, make room for another. */
function forgetWhenOver(starting: Promise<Started>): Promise<RunningBackend> {
  const forget = () => {
    if (started === running) started = null;
  };
  const running: Promise<RunningBackend> = starting.then(
    ({ backend, over }) => {
      over.then(forget, forget);
      const dispose = () => {
        forget();
        backend.dispose?.();
      };
      return { ...backend, dispose };
    },
    (error: unknown) => {
      forget();
      throw error;
    },
  );
  return running;
}

interface Started {
  readonly backend: RunningBackend;
  /** Settles when the device is gone. */
  readonly over: Promise<unknown>;
}

async function start(options: WebGpuOptions): Promise<Started> {
  const device = await requestDevice(options);
  const subgroups = (options.subgroups ?? true) && (await hasOrderlySubgroups(device));
  const storage = new GpuStorage(new Recorder(device, { subgroups }));
  registerStorage(storage);
  registerKernels(storage);
  const backend: RunningBackend = {
    name: "webgpu",
    readsAtOnce: false,
    valuesAtHand: (tensor) => storage.valuesAtHand(dataIdOf(tensor)),
    webgpu: createHost(storage),
    dispose: () => storage.dispose(),
  };
  return { backend, over: device.lost };
}
