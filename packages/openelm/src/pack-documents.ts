// Several documents in one row, so that little of a batch is padding.
import type { TextSample } from "./text-samples.ts";

/** A row that holds several documents. */
export interface PackedSample extends TextSample {
  /** Where each begins, the padding behind the last included: `documents` of a model's `forward`. */
  readonly documents: readonly number[];
}

export interface PackOptions {
  /** Tokens of a row. */
  contextLength: number;
  /** Stands in targets where nothing is to be predicted, padding included. */
  ignoreId: number;
  /** Fills the rows. @default 0 */
  padId?: number;
}

export interface Packing {
  readonly rows: readonly PackedSample[];
  /** How much of the rows is no padding, in (0, 1]. */
  readonly fillRate: number;
}

/**
 * Puts documents into as few rows as best fit decreasing finds: from the longest to the shortest, each goes where it leaves
 * the least room, and into a new row where it fits nowhere. Equal documents give equal rows, in every run. What stands
 * behind a document's last target is left out, since nothing is learned from it.
 *
 * @param documents - of any lengths, padded or not
 * @throws RangeError naming the first document that is longer than a row or has nothing to predict
 * @see Johnson 1974, doi:10.1137/0203025: at most 11/9 of the fewest rows, and 4 more; Krell et al. 2021, arXiv:2107.02027
 */
export function packDocuments(documents: readonly TextSample[], options: PackOptions): Packing {
  const { contextLength, ignoreId, padId = 0 } = options;
  if (documents.length === 0) {
    throw new RangeError("packDocuments: got no documents, expected one at least. Check what filters them.");
  }
  const lengths = documents.map(({ targets }) => 1 + targets.findLastIndex((id) => id !== ignoreId));
  const wrong = lengths.findIndex((length) => !(length >= 1 && length <= contextLength));
  if (wrong >= 0) {
    throw new RangeError(
      `packDocuments: document ${wrong} has ${lengths[wrong]} tokens up to its last target, expected 1 to ` +
        `${contextLength}. Cut it, or leave it out.`,
    );
  }
  const rows = bestFitDecreasing(lengths, contextLength).map((members): PackedSample => {
    const tokens = new Int32Array(contextLength).fill(padId);
    const targets = new Int32Array(contextLength).fill(ignoreId);
    const starts: number[] = [];
    let at = 0;
    for (const member of members) {
      const length = lengths[member] as number;
      const document = documents[member] as TextSample;
      tokens.set(document.tokens.subarray(0, length), at);
      targets.set(document.targets.subarray(0, length), at);
      starts.push(at);
      at += length;
    }
    return { tokens, targets, documents: at < contextLength ? [...starts, at] : starts };
  });
  const used = lengths.reduce((sum, length) => sum + length, 0);
  return { rows, fillRate: used / (rows.length * contextLength) };
}

/**
 * Which items share a bin.
 *
 * @param sizes - each in [1, capacity]
 * @returns for each bin its items' indices
 */
export function bestFitDecreasing(sizes: readonly number[], capacity: number): number[][] {
  const order = Array.from(sizes.keys()).sort((a, b) => (sizes[b] as number) - (sizes[a] as number) || a - b);
  const bins: number[][] = [];
  const withRoom: number[][] = Array.from({ length: capacity + 1 }, () => []); // bins by the room they have left
  for (const item of order) {
    const size = sizes[item] as number;
    let room = size;
    while (room < capacity && withRoom[room]?.length === 0) room++;
    const bin = withRoom[room]?.pop() ?? bins.push([]) - 1;
    bins[bin]?.push(item);
    withRoom[room - size]?.push(bin);
  }
  return bins;
}
