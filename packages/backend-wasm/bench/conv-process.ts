// What conv.bench.ts runs in processes of their own: conv-process.ts ours|tfjs CASE THREADS; asked for "forward" or "train".
import { wasm } from "@corenet/backend-wasm";
import { conv2d, sum, type Tensor4D, takeData, tensor, useBackend, valueAndGrad } from "@corenet/tensor";
import type { Tensor4D as TfjsTensor4D } from "@tensorflow/tfjs-core";
import { serveRuns } from "../../../tools/bench/runner.ts";

/** A convolution of square windows, with as many zeros on every side. */
export interface ConvCase {
  /** [B, height, width, C] */
  x: readonly [number, number, number, number];
  outputs: number;
  kernel: readonly [number, number];
  stride: readonly [number, number];
  padding: readonly [number, number];
  depthwise?: boolean;
}

const [who, what = "", threads] = process.argv.slice(2);
const { x: shape, outputs, kernel, stride, padding, depthwise = false }: ConvCase = JSON.parse(what);
const [B, height, width, C] = shape;
const zeros = [
  [padding[0], padding[0]],
  [padding[1], padding[1]],
] as const;

const works = who === "ours" ? await ours() : await tfjs();
serveRuns(async (name) => {
  const work = works[name as "forward" | "train"];
  const start = performance.now();
  await work();
  return { ms: performance.now() - start };
});

interface Works {
  forward(): Promise<unknown>;
  /** The result and both gradients. */
  train(): Promise<unknown>;
}

async function ours(): Promise<Works> {
  await useBackend(wasm({ threads: Number(threads) }));
  const groups = depthwise ? C : 1;
  const params = {
    x: tensor(noise(shape), shape) as Tensor4D,
    w: tensor(noise([outputs, ...kernel, C / groups]), [outputs, ...kernel, C / groups] as const) as Tensor4D,
  };
  const options = { stride, padding: zeros, groups };
  return {
    forward: () => takeData(conv2d(params.x, params.w, options)),
    train() {
      const { value, grads } = valueAndGrad((p: typeof params) => sum(conv2d(p.x, p.w, options)), params);
      value.dispose();
      grads.x.dispose();
      return takeData(grads.w);
    },
  };
}

/**
 * Its wasm backend has no kernel for the gradient of a weight, so nothing with a convolution can be trained on it. What an
 * expert does: that gradient is a convolution itself, of the image with its channels as a batch, by dy as the window; XNNPACK
 * runs it. For one channel by itself there is no such way: then `train` is the result and the gradient of x alone.
 */
async function tfjs(): Promise<Works> {
  const tf = await import("@tensorflow/tfjs-core");
  await import("@tensorflow/tfjs-backend-wasm");
  tf.enableProdMode();
  if (!(await tf.setBackend("wasm"))) throw new Error("conv-process: tfjs's wasm backend did not start.");
  type Sides = readonly [number, number, number, number];
  const normal = (sides: Sides) => tf.tensor4d(noise(sides), [...sides]);
  const x = normal(shape);
  const w = normal(depthwise ? [...kernel, C, 1] : [...kernel, C, outputs]);
  const pad = [[0, 0], ...zeros.map((side) => [...side]), [0, 0]] as never;
  const strides = [...stride] as [number, number];
  const convolve = () => (depthwise ? tf.depthwiseConv2d(x, w, strides, pad) : tf.conv2d(x, w, strides, pad));
  const dy = convolve();
  const turned = normal([C, height, width, B]); // as if the turning were free
  const window = normal([dy.shape[1], dy.shape[2], B, outputs]);
  const data = async (t: TfjsTensor4D) => {
    const values = await t.data();
    t.dispose();
    return values;
  };
  return {
    forward: () => data(convolve()),
    train() {
      convolve().dispose();
      if (depthwise) return data(convolve()); // the gradient of x, with the window turned around
      tf.conv2dTranspose(dy, w, [...shape] as [number, number, number, number], strides, pad).dispose();
      return data(tf.conv2d(turned, window, 1, pad, "NHWC", strides));
    },
  };
}

/** Values around 0, as weights and activations are: no denormals. */
function noise(sides: readonly number[]): Float32Array {
  const size = sides.reduce((product, side) => product * side, 1);
  return Float32Array.from({ length: size }, () => Math.random() * 2 - 1);
}
