/** What `model.fitDataset` of TensorFlow.js asks of a dataset. */
export interface TfDataset<T> {
  /** The number of batches differs from epoch to epoch, so TensorFlow.js is told none. */
  readonly size: null;
  /** The batches of the next epoch. */
  iterator(): Promise<{ next(): Promise<IteratorResult<T>> }>;
}

/**
 * Epochs as a dataset of TensorFlow.js, without importing it: for `model.fitDataset(dataset, { epochs })`, which asks
 * for one iterator each epoch, and for `tf.data.generator(dataset.iterator)`.
 *
 * @param epochs - the batches of an epoch, such as `(e) => prefetch(sampler.epoch(e), get)`; `fitDataset` wants { xs, ys }
 */
export function toTfDataset<T>(
  epochs: (epoch: number) => Iterable<T> | AsyncIterable<T>,
  options: { firstEpoch?: number } = {},
): TfDataset<T> {
  let epoch = options.firstEpoch ?? 0;
  return {
    size: null,
    async iterator() {
      const batches = epochs(epoch);
      epoch += 1;
      const iterator =
        Symbol.asyncIterator in batches ? batches[Symbol.asyncIterator]() : batches[Symbol.iterator]();
      return { next: async () => iterator.next() };
    },
  };
}
