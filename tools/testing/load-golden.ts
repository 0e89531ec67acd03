import { openSafetensors, readJson, toFloat32 } from "@corenet/formats";
import { type Tensor, tensor } from "@corenet/tensor";
import { goldenSource } from "./golden-source.ts";

export interface GoldenTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array | Uint8Array | Uint16Array;
}

export interface Golden {
  /** What the script recorded: its source, seed, configuration, and small numbers. */
  // biome-ignore lint/suspicious/noExplicitAny: each file has its own fields
  readonly json: any;
  readonly tensors: ReadonlyMap<string, GoldenTensor>;
  /**
   * A tensor of the file, on the active backend: float32, or int32 for integers.
   * @throws RangeError when there is none of that name
   */
  tensor(name: string): Tensor;
}

/** Reads golden/`name`.json, and golden/`name`.safetensors where it has one: `loadGolden("openelm/tiny")`. */
export async function loadGolden(name: string): Promise<Golden> {
  const source = await goldenSource(`${name}.json`);
  if (!source) throw new Error(`loadGolden: there is no golden/${name}.json. Copy it from the reference's.`);
  const json = await readJson(source);
  const tensors = await readTensors(`${name}.safetensors`);
  return {
    json,
    tensors,
    tensor(key) {
      const found = tensors.get(key);
      if (!found) {
        throw new RangeError(
          `loadGolden: ${name} has no tensor ${key}, expected one of ${[...tensors.keys()].join(", ")}.`,
        );
      }
      const { data, shape } = found;
      const isFloat = data instanceof Float32Array;
      return isFloat ? tensor(data, shape) : tensor(Int32Array.from(data), shape);
    },
  };
}

async function readTensors(path: string): Promise<Map<string, GoldenTensor>> {
  const tensors = new Map<string, GoldenTensor>();
  const source = await goldenSource(path);
  if (!source) return tensors; // some goldens are numbers in the .json alone
  const file = await openSafetensors(source);
  for (const [name, { dtype, shape }] of file.tensors) {
    const data = await file.read(name);
    if (dtype === "F16" || dtype === "BF16" || dtype === "F64") {
      tensors.set(name, { shape, data: toFloat32(dtype, data) });
    } else if (
      data instanceof Float32Array ||
      data instanceof Int32Array ||
      data instanceof Uint8Array ||
      data instanceof Uint16Array
    ) {
      tensors.set(name, { shape, data });
    } else {
      throw new TypeError(
        `loadGolden: ${path}: ${name} is ${dtype}, expected F32, I32, U8 or U16. Convert it in its script.`,
      );
    }
  }
  await file.close();
  return tensors;
}
