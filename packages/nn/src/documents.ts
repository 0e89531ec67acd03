/**
 * Where the documents of each row begin when several share it: for every row of the batch ascending positions, the first
 * being 0. What stands between two documents belongs to the one before, and padding behind the last may begin one more.
 */
export type DocumentStarts = readonly (readonly number[])[];

/**
 * The first position of the document that each position lies in.
 *
 * @returns [B, S]; never falls within a row
 * @throws RangeError naming the row whose starts are not those of documents
 */
export function firstsOfDocuments(
  who: string,
  documents: DocumentStarts,
  { rows: B, length: S }: { rows: number; length: number },
): Int32Array {
  if (documents.length !== B) {
    throw new RangeError(
      `${who}: documents has ${documents.length} rows of starts, expected one for each of ${B} rows.`,
    );
  }
  const firsts = new Int32Array(B * S);
  documents.forEach((starts, row) => {
    const isAscending = starts.every((start, i) => {
      return (
        Number.isInteger(start) && start < S && (i === 0 ? start === 0 : start > (starts[i - 1] as number))
      );
    });
    if (starts.length === 0 || !isAscending) {
      throw new RangeError(
        `${who}: documents[${row}] is [${starts.join(", ")}], expected ascending integers from 0 to ${S - 1}, the first 0.`,
      );
    }
    starts.forEach((start, i) => {
      firsts.fill(start, row * S + start, row * S + (starts[i + 1] ?? S));
    });
  });
  return firsts;
}
