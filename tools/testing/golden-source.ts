import { type ByteSource, bytesSource } from "@corenet/formats";

const folder = new URL("../../golden/", import.meta.url);

/**
 * A file of `golden/`: from the disk in Node, from the server of the page in a browser.
 *
 * @param path - such as `openelm/tiny.json`
 * @returns undefined where there is no such file
 */
export async function goldenSource(path: string): Promise<ByteSource | undefined> {
  const bytes = await readGolden(new URL(path, folder));
  return bytes && bytesSource(bytes, { name: path });
}

async function readGolden(url: URL): Promise<Uint8Array | undefined> {
  if (url.protocol === "file:") {
    const { readFile } = await import("node:fs/promises");
    return readFile(url).catch((error: { code?: string }) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    });
  }
  const response = await fetch(url);
  if (response.status === 404) return undefined;
  if (!response.ok) throw new Error(`goldenSource: ${url} answered ${response.status}, expected 200.`);
  return new Uint8Array(await response.arrayBuffer());
}
