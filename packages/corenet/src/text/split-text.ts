export interface TextSplit {
  /** What lies between held-out blocks, in order. No training window may reach from one piece into the next. */
  readonly training: readonly Uint8Array[];
  /** The held-out blocks, in order. */
  readonly heldOut: readonly Uint8Array[];
}

const mostBlockBytes = 4096;
const blocksPerHeldOut = 20;

/**
 * Holds out every 20th block of 4 KiB, counted by byte offset: 5 % of the text, from all over it. Of a text shorter
 * than 20 such blocks, blocks are a twentieth. The result is views into `bytes`.
 *
 * @param window - bytes that a training example takes, its targets included
 * @throws RangeError when the text is empty, or when no piece of it holds a window
 */
export function splitText(bytes: Uint8Array, { window }: { window: number }): TextSplit {
  if (bytes.length === 0) throw new RangeError("splitText: the text is empty, expected some. Name another.");
  const blockBytes = Math.min(mostBlockBytes, Math.max(1, Math.floor(bytes.length / blocksPerHeldOut)));
  const training: Uint8Array[] = [];
  const heldOut: Uint8Array[] = [];
  let pieceStart = 0;
  for (
    let start = (blocksPerHeldOut - 1) * blockBytes;
    start < bytes.length;
    start += blocksPerHeldOut * blockBytes
  ) {
    training.push(bytes.subarray(pieceStart, start));
    pieceStart = Math.min(start + blockBytes, bytes.length);
    heldOut.push(bytes.subarray(start, pieceStart));
  }
  training.push(bytes.subarray(pieceStart));

  if (heldOut.length > 0 && training.some(({ length }) => length >= window)) {
    return { training: training.filter(({ length }) => length > 0), heldOut };
  }
  throw new RangeError(
    `splitText: the text has ${bytes.length} bytes, of which 5 % are held out; expected one piece of ${window} bytes ` +
      "to train on. Name a longer text, or train with a shorter window.",
  );
}
