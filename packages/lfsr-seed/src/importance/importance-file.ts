import { FormatError } from "@corenet/core";
import { fileSink, fileSource, openSafetensors, toFloat32, writeSafetensors } from "@corenet/formats";

/**
 * Importances from a safetensors file: for each tensor of the checkpoint, under its name, a number per column [columns]
 * or per weight [rows, columns].
 *
 * @throws IoError when it cannot be read
 * @throws FormatError when it is broken, or holds numbers that are no floats
 */
export async function readImportance(
  path: string,
  options: { signal?: AbortSignal | undefined } = {},
): Promise<Map<string, Float32Array>> {
  const file = await openSafetensors(await fileSource(path));
  try {
    const importance = new Map<string, Float32Array>();
    for (const [name, { dtype }] of file.tensors) {
      if (dtype !== "F32" && dtype !== "F16" && dtype !== "BF16") {
        throw new FormatError(
          `readImportance: ${name} in ${path} is ${dtype}, expected F32, F16 or BF16. Save it as float32.`,
          { file: path, tensor: name },
        );
      }
      importance.set(name, toFloat32(dtype, await file.read(name, options)));
    }
    return importance;
  } finally {
    await file.close();
  }
}

/** Writes what `readImportance` reads, a number per column for each tensor. The file appears whole or not at all. */
export async function writeImportance(
  path: string,
  importance: ReadonlyMap<string, Float32Array>,
): Promise<void> {
  const entries = Array.from(importance, ([name, data]) => ({
    ...{ name, dtype: "F32" as const, shape: [data.length], data },
  }));
  await writeSafetensors(await fileSink(path), entries, { metadata: { format: "corenet-importance" } });
}
