import { fileError } from "./file-error.ts";
import { nodeFs } from "./node-builtin.ts";

/**
 * Makes a folder, and those above it, where they are not there yet (Node).
 *
 * @throws IoError when a part of the path is a file, or may not be written
 */
export async function makeFolder(path: string): Promise<void> {
  const { mkdir } = nodeFs("makeFolder", path);
  await mkdir(path, { recursive: true }).catch((cause) => {
    throw fileError("makeFolder", path, "write", cause);
  });
}
