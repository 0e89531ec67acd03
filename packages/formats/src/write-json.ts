import type { ByteSink } from "./byte-sink.ts";
import { fileSink } from "./file-sink.ts";

/**
 * Writes JSON with two blanks of indentation, as a file that appears whole or not at all.
 *
 * @param to - a path (Node), or a sink, which is closed
 * @throws IoError when it cannot be written
 */
export async function writeJson(to: string | ByteSink, json: object): Promise<void> {
  const sink = typeof to === "string" ? await fileSink(to) : to;
  try {
    await sink.write(new TextEncoder().encode(`${JSON.stringify(json, null, 2)}\n`));
  } catch (error) {
    await sink.abort(error);
    throw error;
  }
  await sink.close();
}
