import { engine } from "@tensorflow/tfjs-core";
import { vi } from "vitest";

/** What backend-webgpu registers with TensorFlow.js, as far as it is looked at here. */
interface Registered {
  readonly recorder: {
    readonly device: GPUDevice;
    download(source: object, byteLength: number): Promise<ArrayBuffer>;
  };
}

/** What a device was asked for. */
export interface Asked {
  submissions: number;
  buffers: number;
  bindings: number;
  bytesRead: number;
}

/** Counts what the device of the active webgpu() is asked for; `take` tells it since the last call. */
export function watchDevice(): { take(): Asked; [Symbol.dispose](): void } {
  const { recorder } = engine().backend as object as Registered;
  const { device } = recorder;
  const submit = vi.spyOn(device.queue, "submit");
  const createBuffer = vi.spyOn(device, "createBuffer");
  const createBindGroup = vi.spyOn(device, "createBindGroup");
  const download = vi.spyOn(recorder, "download");
  const spies = [submit, createBuffer, createBindGroup, download];
  return {
    take() {
      const asked = {
        submissions: submit.mock.calls.length,
        buffers: createBuffer.mock.calls.length,
        bindings: createBindGroup.mock.calls.length,
        bytesRead: download.mock.calls.reduce((sum, [, bytes]) => sum + bytes, 0),
      };
      for (const spy of spies) spy.mockClear();
      return asked;
    },
    [Symbol.dispose]() {
      for (const spy of spies) spy.mockRestore();
    },
  };
}
