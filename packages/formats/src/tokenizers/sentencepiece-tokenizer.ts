import { FormatError } from "@corenet/core";
import type { Tokenizer } from "../tokenizer.ts";
import { checkTokenId } from "./check-token-id.ts";
import { mergePieces } from "./merge-pieces.ts";
import { parseSentencePiece, pieceType } from "./parse-sentencepiece.ts";

const space = "▁"; // U+2581

/**
 * A tokenizer from a SentencePiece `.model` file with BPE, such as LLaMA's that OpenELM uses: a space goes in front of
 * the text, spaces become "▁", what the vocabulary lacks becomes bytes.
 *
 * @param bytes - the file
 * @throws FormatError when it is broken, or of another kind than BPE without a normalizer
 * @see Kudo and Richardson 2018, arXiv:1808.06226
 */
export function sentencePieceTokenizer(bytes: Uint8Array, options: { name?: string } = {}): Tokenizer {
  const { name = "tokenizer.model" } = options;
  const model = parseSentencePiece(bytes, name);
  const { pieces, addDummyPrefix, removeExtraWhitespaces, unkId, byteFallback } = model;
  const idOf = new Map<string, number>();
  const byteIds = new Array<number>(256).fill(-1);
  const userDefined: string[] = [];
  for (const [id, { piece, type }] of pieces.entries()) {
    if (type === pieceType.normal || type === pieceType.userDefined) idOf.set(piece, id);
    if (type === pieceType.userDefined) userDefined.push(piece);
    if (type === pieceType.byte) byteIds[Number.parseInt(piece.slice(3, 5), 16)] = id;
  }
  const missingByte = byteIds.indexOf(-1);
  if (byteFallback && missingByte >= 0) {
    throw new FormatError(
      `sentencePieceTokenizer: ${name} falls back to bytes and has no piece for byte ${missingByte}. It is broken.`,
      { file: name },
    );
  }
  userDefined.sort((a, b) => b.length - a.length);
  const scoreOf = (piece: string) => {
    const id = idOf.get(piece);
    return id === undefined ? undefined : pieces[id]?.score;
  };
  const known = (id: number) => (id >= 0 && id < pieces.length ? id : undefined);
  const [bosId, eosId, padId] = [known(model.bosId), known(model.eosId), known(model.padId)];

  function encode(text: string): number[] {
    const clean = removeExtraWhitespaces ? text.replace(/ +/g, " ").replace(/^ | $/g, "") : text;
    if (clean === "") return [];
    const escaped = `${addDummyPrefix ? " " : ""}${clean}`.replaceAll(" ", space);
    const { symbols, frozen } = firstSymbols(escaped, userDefined);
    const ids: number[] = [];
    for (const piece of mergePieces(symbols, scoreOf, (i) => frozen.has(i))) {
      const id = idOf.get(piece);
      if (id !== undefined) ids.push(id);
      else if (byteFallback) {
        for (const byte of new TextEncoder().encode(piece)) ids.push(byteIds[byte] as number);
      } else if (ids.at(-1) !== unkId) ids.push(unkId); // unknowns in a row are one
    }
    return ids;
  }

  /** Bytes of a piece; `isFirst` drops the space that encoding put in front. */
  function bytesOf(id: number, isFirst: boolean): Uint8Array {
    const { piece, type } = pieces[id] as (typeof pieces)[number];
    if (type === pieceType.byte) return Uint8Array.of(Number.parseInt(piece.slice(3, 5), 16));
    if (type === pieceType.unknown) return new TextEncoder().encode(model.unkSurface);
    const shown = isFirst && addDummyPrefix && piece.startsWith(space) ? piece.slice(1) : piece;
    return new TextEncoder().encode(shown.replaceAll(space, " "));
  }

  function decoder() {
    const text = new TextDecoder("utf-8", { ignoreBOM: true });
    let isFirst = true;
    return {
      push(id: number) {
        checkTokenId(name, id, pieces.length);
        if (pieces[id]?.type === pieceType.control) return "";
        const bytes = bytesOf(id, isFirst);
        isFirst = false;
        return text.decode(bytes, { stream: true });
      },
      end: () => text.decode(),
    };
  }

  return {
    vocabSize: pieces.length,
    ...(bosId === undefined ? {} : { bosId }),
    ...(eosId === undefined ? {} : { eosId }),
    ...(padId === undefined ? {} : { padId }),
    encode,
    decode(ids) {
      const text = decoder();
      return Array.from(ids, (id) => text.push(id)).join("") + text.end();
    },
    decoder,
  };
}

/** Characters of the text; pieces that the user defined stay whole and never merge. */
function firstSymbols(
  text: string,
  userDefined: readonly string[],
): { symbols: string[]; frozen: Set<number> } {
  const symbols: string[] = [];
  const frozen = new Set<number>();
  for (let at = 0; at < text.length; ) {
    const whole = userDefined.find((piece) => text.startsWith(piece, at));
    const symbol = whole ?? String.fromCodePoint(text.codePointAt(at) as number);
    if (whole !== undefined) frozen.add(symbols.length);
    symbols.push(symbol);
    at += symbol.length;
  }
  return { symbols, frozen };
}
