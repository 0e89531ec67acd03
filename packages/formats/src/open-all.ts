import type { ByteSource } from "./byte-source.ts";

/** Opens sources one after another; when one cannot be opened, those before it are closed. */
export async function openAll(openers: readonly (() => Promise<ByteSource>)[]): Promise<ByteSource[]> {
  const sources: ByteSource[] = [];
  try {
    for (const open of openers) sources.push(await open());
    return sources;
  } catch (error) {
    await Promise.allSettled(sources.map((source) => source.close()));
    throw error;
  }
}
