/** Two neighbours that a merge would join. */
interface Pair {
  readonly left: number;
  readonly right: number;
  readonly score: number;
  /** Length of both when the pair was found; another means that one of them has grown since. */
  readonly length: number;
}

/**
 * SentencePiece's byte-pair encoding: of all neighbours whose concatenation is a piece, joins those of the highest
 * score, the leftmost first, until none is left.
 *
 * @param symbols - what the text is made of at first: characters, and pieces that never merge
 * @param scoreOf - score of a piece, or undefined where there is none
 * @param isFrozen - whether symbol i never merges
 */
export function mergePieces(
  symbols: readonly string[],
  scoreOf: (piece: string) => number | undefined,
  isFrozen: (index: number) => boolean = () => false,
): string[] {
  const parts = [...symbols];
  const previous = parts.map((_, i) => i - 1);
  const next = parts.map((_, i) => (i + 1 < parts.length ? i + 1 : -1));
  const heap = pairHeap();

  function offer(left: number, right: number): void {
    if (left < 0 || right < 0 || isFrozen(left) || isFrozen(right)) return;
    const joined = `${parts[left]}${parts[right]}`;
    const score = scoreOf(joined);
    if (score !== undefined) heap.push({ left, right, score, length: joined.length });
  }

  for (let i = 0; i + 1 < parts.length; i++) offer(i, i + 1);
  for (let pair = heap.pop(); pair; pair = heap.pop()) {
    const { left, right, length } = pair;
    const a = parts[left] as string;
    const b = parts[right] as string;
    if (a === "" || b === "" || a.length + b.length !== length) continue; // one of them was joined meanwhile
    parts[left] = a + b;
    parts[right] = "";
    const after = next[right] as number;
    next[left] = after;
    if (after >= 0) previous[after] = left;
    offer(previous[left] as number, left);
    offer(left, after);
  }
  return parts.filter((part) => part !== "");
}

/** A priority queue of pairs: the highest score first, then the leftmost. */
function pairHeap(): { push(pair: Pair): void; pop(): Pair | undefined } {
  const items: Pair[] = [];
  const isBefore = (a: Pair, b: Pair) => a.score > b.score || (a.score === b.score && a.left < b.left);
  return {
    push(pair) {
      let at = items.length;
      items.push(pair);
      while (at > 0) {
        const parent = (at - 1) >> 1;
        if (!isBefore(pair, items[parent] as Pair)) break;
        items[at] = items[parent] as Pair;
        at = parent;
      }
      items[at] = pair;
    },
    pop() {
      const top = items[0];
      const last = items.pop();
      if (items.length === 0 || !last) return top;
      let at = 0;
      for (;;) {
        let child = 2 * at + 1;
        if (child >= items.length) break;
        if (child + 1 < items.length && isBefore(items[child + 1] as Pair, items[child] as Pair)) child += 1;
        if (!isBefore(items[child] as Pair, last)) break;
        items[at] = items[child] as Pair;
        at = child;
      }
      items[at] = last;
      return top;
    },
  };
}
