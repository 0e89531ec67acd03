import { abortable, IoError, throwIfAborted } from "@corenet/core";
import { type ByteSource, createByteSource } from "./byte-source.ts";
import { bytesSink } from "./bytes-sink.ts";
import { bytesSource } from "./bytes-source.ts";
import { fillFromStream } from "./fill-from-stream.ts";

export interface HttpSourceOptions {
  /** What the source is called. @default the URL */
  name?: string;
  /** Used instead of the platform's, to add headers or a cache. */
  fetch?: typeof fetch;
  signal?: AbortSignal | undefined;
  /** Largest file that is held in memory when the server ignores ranges. @default 256 MiB */
  maxWholeBytes?: number;
}

/**
 * A file behind a URL, read by HTTP ranges. From a server that ignores ranges, a small file is fetched once, whole.
 *
 * @throws IoError when there is no answer, the status is not 2xx, a web page comes back, the size is not told, or a
 *   file above `maxWholeBytes` comes without ranges; from reads, when the server cuts, lies, or changes the file
 */
export async function httpSource(url: string | URL, options: HttpSourceOptions = {}): Promise<ByteSource> {
  const { fetch = globalThis.fetch, maxWholeBytes = 256 * 2 ** 20 } = options;
  const name = String(url);
  const called = options.name ?? name;
  const fail = (text: string, cause?: unknown) =>
    new IoError(`httpSource: ${name} ${text}`, cause === undefined ? { path: name } : { path: name, cause });

  async function request(first: number, last: number, signal: AbortSignal | undefined): Promise<Response> {
    throwIfAborted(signal);
    let response: Response;
    try {
      // Compression would change what the range counts. Browsers see to this themselves.
      const init = { headers: { range: `bytes=${first}-${last}`, "accept-encoding": "identity" } };
      response = await abortable(fetch(name, signal ? { ...init, signal } : init), signal);
    } catch (cause) {
      throwIfAborted(signal);
      throw fail(
        `gave no answer: ${cause}. Check the address and the connection (in a browser: CORS).`,
        cause,
      );
    }
    const type = response.headers.get("content-type") ?? "";
    if (!response.ok && response.status !== 416) {
      discard(response);
      throw fail(
        `answered ${response.status} ${response.statusText}, expected 200 or 206. Check the address.`,
      );
    }
    if (/^text\/html/i.test(type)) {
      discard(response);
      throw fail(
        "answered with a web page (text/html), not a file. Use the address of the file itself; you may have to log in.",
      );
    }
    return response;
  }

  async function fill(
    response: Response,
    target: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (!response.body) throw fail(`answered without a body, expected ${target.length} bytes. Try again.`);
    try {
      await fillFromStream("httpSource", name, response.body, target, signal);
    } catch (cause) {
      throwIfAborted(signal);
      if (cause instanceof IoError) throw cause;
      throw fail(`broke off: ${cause}. The transfer was cut; try again.`, cause);
    }
  }

  const probe = await request(0, 0, options.signal);
  if (probe.status !== 206 && probe.status !== 416) {
    return bytesSource(await wholeBody(probe), { name: called });
  }
  discard(probe);
  const size = totalOf(probe);
  if (size === undefined) {
    throw fail(
      "answered a range without the size of the file in Content-Range. " +
        "In a browser the server must list it in Access-Control-Expose-Headers.",
    );
  }
  const etag = probe.headers.get("etag");

  return createByteSource({
    name: called,
    size,
    async readInto(offset, target, signal) {
      const last = offset + target.length - 1;
      const response = await request(offset, last, signal);
      const wanted = `bytes ${offset}-${last}/${size}`;
      const seen = response.headers.get("content-range");
      if (response.status !== 206 || seen !== wanted) {
        discard(response);
        throw fail(
          `answered ${response.status} with Content-Range "${seen}", expected 206 with "${wanted}". ` +
            "The file changed or the server does not keep to ranges; open it again.",
        );
      }
      if (response.headers.get("etag") !== etag) {
        discard(response);
        throw fail("changed while it was being read (its ETag is another). Open it again.");
      }
      await fill(response, target, signal);
    },
  });

  /** The body of an answer that ignored the range. */
  async function wholeBody(response: Response): Promise<Uint8Array> {
    const told = response.headers.get("content-length");
    // Compressed on the way, Content-Length counts other bytes than we get.
    const known = told !== null && !response.headers.has("content-encoding");
    const length = known ? Number(told) : undefined;
    if (length === 0 || !response.body) return new Uint8Array(0);
    if (length === undefined) return collect(response.body);
    if (!(length <= maxWholeBytes)) {
      discard(response);
      throw tooLarge(`all ${length} bytes`);
    }
    const bytes = new Uint8Array(length);
    await fill(response, bytes, options.signal);
    return bytes;
  }

  /** A body of unknown length, up to the limit. */
  async function collect(body: ReadableStream<Uint8Array>): Promise<Uint8Array> {
    const sink = bytesSink();
    const reader = body.getReader();
    let length = 0;
    try {
      for (;;) {
        const { done, value } = await abortable(reader.read(), options.signal);
        if (done) break;
        length += value.length;
        if (length > maxWholeBytes) throw tooLarge(`more than ${maxWholeBytes} bytes`);
        await sink.write(value);
      }
    } catch (cause) {
      reader.cancel(cause).catch(() => {}); // we have our error already
      throwIfAborted(options.signal);
      if (cause instanceof IoError) throw cause;
      throw fail(`broke off: ${cause}. The transfer was cut; try again.`, cause);
    }
    await sink.close();
    return sink.bytes();
  }

  function tooLarge(amount: string): IoError {
    return fail(
      `ignores ranges and would send ${amount}, expected at most ${maxWholeBytes}. ` +
        "Use a server with ranges, or download the file.",
    );
  }
}

/** The size of the file from `Content-Range: bytes 0-0/SIZE`. */
function totalOf(response: Response): number | undefined {
  const range = /^bytes (?:\d+-\d+|\*)\/(\d+)$/.exec(response.headers.get("content-range") ?? "");
  const size = Number(range?.[1] ?? Number.NaN);
  return Number.isSafeInteger(size) ? size : undefined;
}

/** Tells the server that we want no more of an answer. */
function discard(response: Response): void {
  response.body?.cancel().catch(() => {}); // a broken connection is as good as a closed one
}
