import { fileSink } from "@corenet/formats";

/**
 * Writes a text file that appears whole or not at all.
 *
 * @throws IoError when it cannot be written
 */
export async function writeText(path: string, text: string): Promise<void> {
  const sink = await fileSink(path);
  await sink.write(new TextEncoder().encode(text)); // aborts itself when it fails
  await sink.close();
}

export async function writeJson(path: string, value: object): Promise<void> {
  await writeText(path, `${JSON.stringify(value, null, 2)}\n`);
}
