import { FormatError } from "@corenet/core";

/** What a piece of a SentencePiece vocabulary is; the numbers are the file's. */
export const pieceType = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

export interface SentencePiece {
  readonly piece: string;
  readonly score: number;
  readonly type: number;
}

/** The parts of a SentencePiece model that BPE needs. */
export interface SentencePieceModel {
  readonly pieces: readonly SentencePiece[];
  readonly byteFallback: boolean;
  readonly addDummyPrefix: boolean;
  readonly removeExtraWhitespaces: boolean;
  /** −1 where the model has none. */
  readonly unkId: number;
  readonly bosId: number;
  readonly eosId: number;
  readonly padId: number;
  /** What an unknown piece decodes to. */
  readonly unkSurface: string;
}

const modelTypes = ["", "unigram", "BPE", "word", "char"];

/**
 * Reads a `.model` file of SentencePiece (protobuf `ModelProto`).
 *
 * @throws FormatError when the bytes are not such a file, or its model is not BPE without a normalizer
 */
export function parseSentencePiece(bytes: Uint8Array, name: string): SentencePieceModel {
  const refuse = (what: string) => new FormatError(`parseSentencePiece: ${name} ${what}.`, { file: name });
  const pieces: SentencePiece[] = [];
  let trainer = new Map<number, Field>();
  let normalizer = new Map<number, Field>();
  for (const field of fieldsOf(bytes, refuse)) {
    if (typeof field.value === "number") continue;
    if (field.number === 1) pieces.push(parsePiece(lastFields(field.value, refuse), refuse));
    if (field.number === 2) trainer = lastFields(field.value, refuse);
    if (field.number === 3) normalizer = lastFields(field.value, refuse);
  }
  if (pieces.length === 0) throw refuse("holds no pieces; is it a SentencePiece .model file?");

  const type = int(trainer, 3, 1);
  if (type !== 2) {
    throw refuse(
      `is a ${modelTypes[type] ?? `type ${type}`} model, expected BPE as LLaMA's. ` +
        "Convert it to tokenizer.json and pass that",
    );
  }
  const charsMap = normalizer.get(2)?.value;
  if (charsMap instanceof Uint8Array && charsMap.length > 0) {
    throw refuse(
      "normalizes text by a table, expected the identity. Convert it to tokenizer.json and pass that",
    );
  }
  if (int(trainer, 24, 0) !== 0) {
    throw refuse("puts spaces behind words, expected in front. Convert it to tokenizer.json and pass that");
  }
  return {
    pieces,
    byteFallback: int(trainer, 35, 0) !== 0,
    addDummyPrefix: int(normalizer, 3, 1) !== 0,
    removeExtraWhitespaces: int(normalizer, 4, 1) !== 0,
    unkId: int(trainer, 40, 0),
    bosId: int(trainer, 41, 1),
    eosId: int(trainer, 42, 2),
    padId: int(trainer, 43, -1),
    unkSurface: text(trainer, 44, " \u2047 ", refuse),
  };
}

type Refuse = (what: string) => FormatError;
interface Field {
  readonly number: number;
  /** A varint, the bits of a 32-bit number, or bytes. */
  readonly value: number | Uint8Array;
}

function parsePiece(fields: ReadonlyMap<number, Field>, refuse: Refuse): SentencePiece {
  const score = fields.get(2)?.value;
  return {
    piece: text(fields, 1, "", refuse),
    score: typeof score === "number" ? score : 0,
    type: int(fields, 3, pieceType.normal),
  };
}

function lastFields(bytes: Uint8Array, refuse: Refuse): Map<number, Field> {
  return new Map([...fieldsOf(bytes, refuse)].map((field) => [field.number, field]));
}

function int(fields: ReadonlyMap<number, Field>, number: number, missing: number): number {
  const value = fields.get(number)?.value;
  return typeof value === "number" ? value | 0 : missing; // int32: −1 is stored as 64 bits of ones
}

function text(fields: ReadonlyMap<number, Field>, number: number, missing: string, refuse: Refuse): string {
  const value = fields.get(number)?.value;
  if (!(value instanceof Uint8Array)) return missing;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(value);
  } catch {
    throw refuse("holds a text that is not UTF-8; the file is broken");
  }
}

/** The fields of one protobuf message, in their order. */
function* fieldsOf(bytes: Uint8Array, refuse: Refuse): Generator<Field> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const broken = () => refuse("is cut off or not protobuf; download it again");
  let at = 0;

  function varint(): number {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = bytes[at++];
      if (byte === undefined) throw broken();
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
    throw broken();
  }
  function take(length: number): Uint8Array {
    if (length > bytes.length - at) throw broken();
    at += length;
    return bytes.subarray(at - length, at);
  }

  while (at < bytes.length) {
    const tag = varint();
    const number = Math.floor(tag / 8);
    const wire = tag % 8;
    if (number === 0) throw broken();
    if (wire === 0) yield { number, value: varint() };
    else if (wire === 1) take(8);
    else if (wire === 2) yield { number, value: take(varint()) };
    else if (wire === 5) {
      take(4);
      yield { number, value: view.getFloat32(at - 4, true) };
    } else throw broken();
  }
}
