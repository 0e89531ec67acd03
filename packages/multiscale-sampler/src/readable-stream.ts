/**
 * A web stream of what `batches` gives, one batch at a time as they are read. Cancelling the stream ends the iteration.
 *
 * @param batches - an epoch, or `prefetch(…)` of one
 */
export function toReadableStream<T>(batches: Iterable<T> | AsyncIterable<T>): ReadableStream<T> {
  let iterator: Iterator<T> | AsyncIterator<T>;
  return new ReadableStream<T>(
    {
      start() {
        iterator =
          Symbol.asyncIterator in batches ? batches[Symbol.asyncIterator]() : batches[Symbol.iterator]();
      },
      async pull(controller) {
        const { done, value } = await iterator.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      async cancel() {
        await iterator.return?.();
      },
    },
    { highWaterMark: 0 }, // reading ahead is what prefetch is for
  );
}
