/** What `model.fitDataset` of TensorFlow.js asks of a dataset. */
export interface TfDataset<T> {
  /** The number of batches differs from epoch to epoch, so TensorFlow.js is told none. */
  readonly size: null;
  /** The batches of the next epoch. */
  iterator(): Promise<{ next(): Promise<IteratorResult<T>> }>;
}

/**
 * Epochs as a dataset of TensorFlow.js, without importing it: for `model.fitDataset(dataset, { epochs })`, and for
 * `tf.data.generator(dataset.iterator)`. Every iterator that is read is the next epoch; `fitDataset` asks for one before
 * the first epoch that it never reads.
 *
 * @param epochs - the batches of an epoch, such as `(e) => prefetch(sampler.epoch(e), get)`; `fitDataset` wants { xs, ys }
 */
export function toTfDataset<T>(
  epochs: (epoch: number) => Iterable<T> | AsyncIterable<T>,
  options: { firstEpoch?: number } = {},
): TfDataset<T> {
  let epoch = options.firstEpoch ?? 0;
  const start = () => {
    const batches = epochs(epoch);
    epoch += 1;
    return Symbol.asyncIterator in batches ? batches[Symbol.asyncIterator]() : batches[Symbol.iterator]();
  };
  return {
    size: null,
    async iterator() {
      let started: Iterator<T> | AsyncIterator<T> | undefined;
      return {
        async next() {
          started ??= start();
          return started.next();
        },
      };
    },
  };
}
