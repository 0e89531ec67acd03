/** @throws RangeError unless `id` is an integer in [0, vocabSize) */
export function checkTokenId(name: string, id: number, vocabSize: number): void {
  if (Number.isInteger(id) && id >= 0 && id < vocabSize) return;
  throw new RangeError(
    `${name}: id is ${id}, expected an integer in [0, ${vocabSize}). Was it made with another tokenizer?`,
  );
}
