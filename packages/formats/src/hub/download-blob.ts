import { abortable, IoError, sleep, throwIfAborted } from "@corenet/core";
import { blobUrl, type HubBlob } from "./blob-url.ts";
import type { CacheFolder, GrowingFile } from "./cache-folder.ts";
import { type ContentHash, contentHash } from "./content-hash.ts";
import { hubHeaders } from "./hub-manifest.ts";

export interface BlobDownload extends HubBlob {
  readonly folder: CacheFolder;
  /** Where the finished blob goes; until then it lies beside it, with `.incomplete` at the end. */
  readonly target: string;
  /** Called with the bytes that arrived and were not counted before. */
  readonly onBytes: (count: number) => void;
}

const maxIdleAttempts = 5; // in a row, without a byte more

/**
 * Downloads one file into the cache: goes on where an earlier attempt stopped, tries again when the connection
 * breaks, and keeps the file only if its size and hash are those that the hub told. Who wants a file that another
 * is downloading waits for it.
 *
 * @throws IoError when the server refuses, sends something else, or the connection keeps breaking; then what arrived
 *   stays for the next call, unless it is wrong
 */
export async function downloadBlob(download: BlobDownload): Promise<void> {
  const { file, folder, target, signal } = download;
  const incomplete = `${target}.incomplete`;
  await folder.withLock(incomplete, signal, async () => {
    if ((await folder.size(target)) === file.size) download.onBytes(file.size);
    else await downloadTo(incomplete, download);
  });
}

async function downloadTo(incomplete: string, download: BlobDownload): Promise<void> {
  const { file, folder, target, signal } = download;
  let counted = 0;
  let idle = 0;
  for (;;) {
    throwIfAborted(signal);
    const growing = await folder.grow(incomplete);
    const before = growing.size;
    let broken: unknown;
    let hash: ContentHash | undefined;
    try {
      hash = await hashSoFar(download, incomplete, growing);
      const count = () => {
        const fresh = growing.size - counted;
        if (fresh > 0) download.onBytes(fresh);
        counted = Math.max(counted, growing.size);
      };
      count();
      if (growing.size < file.size || file.size === 0) {
        hash = await receive(download, growing, hash, count);
      }
    } catch (error) {
      broken = error;
    } finally {
      await growing.close();
    }
    throwIfAborted(signal);
    if (broken !== undefined) {
      if (!(broken instanceof BrokenTransfer)) throw broken;
      idle = growing.size > before ? 0 : idle + 1;
      if (idle >= maxIdleAttempts) throw brokenOff(download, growing.size, broken);
      await sleep(Math.min(100 * 2 ** idle, 2000), signal ? { signal } : {});
      continue;
    }
    const digest = hash?.hex();
    if (digest !== file.hash) {
      await folder.remove(incomplete);
      throw new IoError(
        `hub: ${file.path} of ${download.repo} has the hash ${digest}, expected ${file.hash}. ` +
          "Something on the way changed it; it was not kept. Try again, or another network.",
        { path: blobUrl(download) },
      );
    }
    await folder.rename(incomplete, target);
    return;
  }
}

/** A connection that broke: worth another attempt. */
class BrokenTransfer extends Error {}

/** Hashes what an earlier attempt left; starts over where that is more than the whole. */
async function hashSoFar(
  { file, folder, signal }: BlobDownload,
  path: string,
  growing: GrowingFile,
): Promise<ContentHash> {
  const hash = await contentHash(file.hashKind, file.size);
  if (growing.size > file.size) await growing.restart();
  if (growing.size === 0) return hash;
  const source = await folder.open(path, path);
  try {
    const pieceBytes = 4 * 2 ** 20;
    for (let at = 0; at < growing.size; at += pieceBytes) {
      hash.update(await source.read(at, Math.min(pieceBytes, growing.size - at), { signal }));
    }
  } finally {
    await source.close();
  }
  return hash;
}

/** Appends what the server sends; ends when the file is whole. */
async function receive(
  download: BlobDownload,
  growing: GrowingFile,
  begun: ContentHash,
  count: () => void,
): Promise<ContentHash> {
  const { file, fetch, token, signal } = download;
  const url = blobUrl(download);
  let hash = begun;
  const refuse = (text: string) => new IoError(`hub: ${url} ${text}`, { path: url });

  const headers: Record<string, string> = { ...hubHeaders(token), "accept-encoding": "identity" };
  if (growing.size > 0) headers.range = `bytes=${growing.size}-`;
  let response: Response;
  try {
    response = await abortable(fetch(url, signal ? { headers, signal } : { headers }), signal);
  } catch (cause) {
    throw new BrokenTransfer(`gave no answer: ${cause}`, { cause });
  }
  const discard = () => void response.body?.cancel().catch(() => {}); // a broken connection is as good as closed

  if (response.status >= 500 || response.status === 429) {
    discard();
    throw new BrokenTransfer(`answered ${response.status}`);
  }
  if (response.status === 416) {
    discard();
    await growing.restart();
    throw new BrokenTransfer("refused to go on in the middle");
  }
  if (!response.ok) {
    discard();
    throw refuse(`answered ${response.status} ${response.statusText}, expected 200 or 206. It was not kept.`);
  }
  if (/^text\/html/i.test(response.headers.get("content-type") ?? "") && !/\.html?$/i.test(file.path)) {
    discard();
    throw refuse(
      "answered with a web page (text/html), not the file. It was not kept; you may have to log in.",
    );
  }
  if (response.status === 206) {
    const range = response.headers.get("content-range");
    const wanted = `bytes ${growing.size}-${file.size - 1}/${file.size}`;
    if (range !== null && range !== wanted) {
      discard();
      throw refuse(
        `answered with Content-Range "${range}", expected "${wanted}". Its server does not keep to ranges.`,
      );
    }
  } else if (growing.size > 0) {
    await growing.restart(); // the server begins at the start again
    hash = await contentHash(file.hashKind, file.size);
  }
  if (!response.body) {
    if (file.size === 0) return hash;
    throw new BrokenTransfer("answered without a body");
  }

  const reader = response.body.getReader();
  try {
    for (;;) {
      let piece: Awaited<ReturnType<typeof reader.read>>;
      try {
        piece = await abortable(reader.read(), signal);
      } catch (cause) {
        throw new BrokenTransfer(`broke off: ${cause}`, { cause });
      }
      if (piece.done) break;
      if (growing.size + piece.value.length > file.size) {
        await growing.restart();
        throw refuse(`sent more than the ${file.size} bytes that the hub told. It was not kept; try again.`);
      }
      hash.update(piece.value);
      await growing.append(piece.value);
      count();
    }
  } catch (error) {
    reader.cancel(error).catch(() => {}); // we have our error already
    throw error;
  }
  if (growing.size < file.size) throw new BrokenTransfer(`ended after ${growing.size} of ${file.size} bytes`);
  return hash;
}

function brokenOff(download: BlobDownload, size: number, cause: Error): IoError {
  const url = blobUrl(download);
  return new IoError(
    `hub: ${url} ${cause.message}, ${maxIdleAttempts} times in a row. ` +
      `${size} of ${download.file.size} bytes are kept; call again and it goes on there.`,
    { path: url, cause },
  );
}
