import { abortable, IoError } from "@corenet/core";

/**
 * Fills all of `target` from a stream that must hold exactly as many bytes; a stream that goes on is cancelled.
 *
 * @throws IoError when it ends before or goes on
 */
export async function fillFromStream(
  who: string,
  name: string,
  stream: ReadableStream<Uint8Array>,
  target: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<void> {
  const reader = stream.getReader();
  let filled = 0;
  try {
    for (;;) {
      const { done, value } = await abortable(reader.read(), signal);
      if (done) break;
      if (filled + value.length > target.length) {
        throw new IoError(
          `${who}: ${name} sent more than the ${target.length} bytes that were asked for. ` +
            "Its server does not keep to HTTP ranges; use another, or download the file.",
          { path: name },
        );
      }
      target.set(value, filled);
      filled += value.length;
    }
  } catch (error) {
    reader.cancel(error).catch(() => {}); // we have our error already
    throw error;
  }
  if (filled < target.length) {
    throw new IoError(
      `${who}: ${name} ended after ${filled} of ${target.length} bytes. The transfer was cut; try again.`,
      { path: name },
    );
  }
}
