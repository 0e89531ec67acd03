import { fileError } from "@corenet/formats";
import { nodeFs, nodePath } from "./node-modules.ts";

/** Endings of files with weights: what is compressed, and the same model in other formats. */
const weightFiles =
  /\.(safetensors|safetensors\.index\.json|bin|bin\.index\.json|pth?|ckpt|h5|msgpack|onnx|gguf)$/;

/**
 * Copies what lies beside the weights (config.json, tokenizer, license) into another folder. Folders and other weights
 * are left where they are. Does nothing where `source` is a file.
 *
 * @returns the names of what was not copied, without the safetensors files
 */
export async function copyOtherFiles(source: string, target: string): Promise<string[]> {
  if (source.endsWith(".safetensors")) return [];
  const { copyFile, readdir, stat } = nodeFs("compressCheckpoint", source);
  const { join } = nodePath("compressCheckpoint", source);
  const skipped: string[] = [];
  for (const name of (await readdir(source)).sort()) {
    const from = join(source, name);
    const isFile = (await stat(from)).isFile(); // links count as what they point to: caches are made of them
    if (isFile && !weightFiles.test(name) && !name.startsWith("compression.")) {
      await copyFile(from, join(target, name)).catch((cause) => {
        throw fileError("compressCheckpoint", join(target, name), "write", cause);
      });
    } else if (!name.includes(".safetensors")) {
      skipped.push(name);
    }
  }
  return skipped;
}
