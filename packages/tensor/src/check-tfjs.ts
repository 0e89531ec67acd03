import { BackendError } from "@corenet/core";
import * as tfjs from "@tensorflow/tfjs-core";

/** Frozen: its faults are known kernel by kernel, and fenced. */
const version = "4.22.0";

/** What we call of the engine, which the first copy of TensorFlow.js on a page makes for all. */
const methods = ["makeTensor", "makeTensorFromTensorInfo", "runKernel", "setBackend", "startScope", "tidy"];

/**
 * @param saw - the version of the TensorFlow.js that we import
 * @throws BackendError when an app brings another version, or one that came first has made an engine that we cannot use
 */
export function checkTfjs(saw: string = tfjs.version_core): void {
  if (saw !== version) {
    throw new BackendError(
      `useBackend: @tensorflow/tfjs-core is ${saw} here, expected ${version}. ` +
        `Run npm install @tensorflow/tfjs-core@${version}; npm ls @tensorflow/tfjs-core shows who wants another.`,
    );
  }
  const engine = tfjs.engine();
  const missing = methods.filter((method) => typeof Reflect.get(engine, method) !== "function");
  if (missing.length === 0) return;
  throw new BackendError(
    `useBackend: another version of @tensorflow/tfjs-core was loaded first, and its engine lacks ${missing.join(", ")}. ` +
      `Load one version, ${version}; npm ls @tensorflow/tfjs-core shows who brings the other.`,
  );
}
