// OpenELM as llama.cpp reads it: GGUF, architecture "openelm".
import { encodeFloat16, type OnProgress, throwIfAborted } from "@corenet/core";
import { quantizeRows } from "@corenet/core/quantize";
import {
  type ByteSink,
  fileSink,
  type GgufDtype,
  type GgufEntry,
  type GgufMetadata,
  ggufLayouts,
  toGgufBlocks,
  writeGguf,
} from "@corenet/formats";
import type { PackedMatrix, Tensor, Tree } from "@corenet/tensor";
import { treeEntries } from "@corenet/tensor";
import type { OpenElmConfig } from "./config.ts";
import type { OpenElm } from "./open-elm.ts";
import { valuesOf } from "./save.ts";

/**
 * A vocabulary as llama.cpp's tokenizers want it: SentencePiece's ("llama"), or with `merges` a byte-level one as GPT-2's
 * ("gpt2"). See `tokenizerVocabulary`.
 */
export interface GgufVocabulary {
  /** The text of each id: pieces with "▁" for a space, bytes as `<0x0A>`; byte-level, bytes as printable characters. */
  readonly tokens: readonly string[];
  /** Byte-level: pairs of tokens that are joined, "a b", the first to be joined first. @default SentencePiece's scores */
  readonly merges?: readonly string[];
  /** Of each id: the higher is merged first. @default 0 for all */
  readonly scores?: readonly number[];
  /** Of each id: 1 normal, 2 unknown, 3 control, 6 byte. @default told from the text */
  readonly types?: readonly number[];
  /** @default 1 */
  readonly bos?: number;
  /** @default 2 */
  readonly eos?: number;
  /** @default 0 */
  readonly unknown?: number;
  /** Whether bos stands in front of a text. @default true */
  readonly addBos?: boolean;
}

export interface ExportGgufOptions {
  /** How matrices are written; one whose rows are no multiple of 32 is f16 where 8 or 4 bits were asked for. @default "f16" */
  dtype?: "f32" | "f16" | "q8_0" | "q4_0";
  vocabulary: GgufVocabulary;
  /** What the file calls the model. @default "OpenELM" */
  name?: string;
  signal?: AbortSignal;
  onProgress?: OnProgress;
}

const fileTypes = { f32: 0, f16: 1, q4_0: 2, q8_0: 7 } as const; // llama.cpp's llama_ftype

/**
 * Writes a model as one GGUF file with its tokenizer, for llama.cpp and what is built on it. Matrices that are packed in
 * int8 or int4 keep every bit as q8_0 or q4_0. Rows of the embedding beyond the vocabulary are left out.
 *
 * @param to - a path (Node), or a sink
 * @throws RangeError when the vocabulary does not fit the model, or lacks what llama.cpp cannot load without
 * @throws IoError when the file cannot be written
 * @see ggml-org/llama.cpp, conversion/openelm.py and src/models/openelm.cpp
 */
export async function exportGguf(
  model: OpenElm,
  to: string | ByteSink,
  options: ExportGgufOptions,
): Promise<number> {
  const { dtype = "f16", vocabulary, name = "OpenELM", signal, onProgress } = options;
  throwIfAborted(signal);
  checkVocabulary(vocabulary, model.config);
  const metadata = ggufMetadata(model.config, vocabulary, { name, dtype });
  const entries = ggufEntries(model, vocabulary.tokens.length, dtype);
  return writeGguf(typeof to === "string" ? await fileSink(to) : to, metadata, entries, {
    signal,
    onProgress,
  });
}

/** Every key that llama.cpp asks for, arrays where layers differ. */
function ggufMetadata(
  config: OpenElmConfig,
  vocabulary: GgufVocabulary,
  { name, dtype }: { name: string; dtype: NonNullable<ExportGgufOptions["dtype"]> },
): GgufMetadata {
  const { layers, headDim, modelDim, contextLength, ropeBase, rmsNormEps } = config;
  const { tokens, scores, types, merges, bos = 1, eos = 2, unknown = 0, addBos = true } = vocabulary;
  const u32 = (value: number) => ({ type: "u32", value }) as const;
  const f32 = (value: number) => ({ type: "f32", value }) as const;
  const perLayer = (count: (layer: OpenElmConfig["layers"][number]) => number) =>
    Int32Array.from(layers, count);
  return {
    "general.architecture": "openelm",
    "general.name": name,
    "general.file_type": u32(fileTypes[dtype]),
    "openelm.vocab_size": u32(tokens.length),
    "openelm.context_length": u32(contextLength),
    "openelm.embedding_length": u32(modelDim),
    "openelm.block_count": u32(layers.length),
    "openelm.feed_forward_length": perLayer((layer) => layer.ffnDim),
    "openelm.attention.head_count": perLayer((layer) => layer.numQueryHeads),
    "openelm.attention.head_count_kv": perLayer((layer) => layer.numKvHeads),
    "openelm.attention.key_length": u32(headDim),
    "openelm.attention.value_length": u32(headDim),
    "openelm.rope.dimension_count": u32(headDim),
    "openelm.rope.freq_base": f32(ropeBase),
    "openelm.attention.layer_norm_rms_epsilon": f32(rmsNormEps),
    "tokenizer.ggml.model": merges ? "gpt2" : "llama",
    "tokenizer.ggml.pre": merges ? "gpt-2" : "default",
    "tokenizer.ggml.tokens": tokens,
    ...(merges
      ? { "tokenizer.ggml.merges": merges }
      : { "tokenizer.ggml.scores": Float32Array.from(scores ?? tokens.map(() => 0)) }),
    "tokenizer.ggml.token_type": Int32Array.from(types ?? tokens.map(typeOf(vocabulary))),
    ...(addBos ? { "tokenizer.ggml.bos_token_id": u32(bos) } : {}),
    "tokenizer.ggml.eos_token_id": u32(eos),
    ...(merges ? {} : { "tokenizer.ggml.unknown_token_id": u32(unknown) }),
    "tokenizer.ggml.add_bos_token": addBos,
    "tokenizer.ggml.add_eos_token": false,
  };
}

/** Normal, unknown, control or byte. */
function typeOf({ bos = 1, eos = 2, unknown = 0 }: GgufVocabulary): (token: string, id: number) => number {
  return (token, id) => {
    if (id === unknown) return 2;
    if (id === bos || id === eos) return 3;
    return /^<0x[0-9A-F]{2}>$/.test(token) ? 6 : 1;
  };
}

const names: readonly [RegExp, string][] = [
  [/^token_embeddings\./, "token_embd."],
  [/^classifier\./, "output."],
  [/^norm\./, "output_norm."],
  [/^layers\.(\d+)\.attn\.qkv_proj\./, "blk.$1.attn_qkv."],
  [/^layers\.(\d+)\.attn\.([qk])_norm\./, "blk.$1.attn_$2_norm."],
  [/^layers\.(\d+)\.attn\.out_proj\./, "blk.$1.attn_output."],
  [/^layers\.(\d+)\.ffn\.proj_2\./, "blk.$1.ffn_down."],
  [/^layers\.(\d+)\.(attn|ffn)_norm\./, "blk.$1.$2_norm."],
];

type Leaf = Tensor | PackedMatrix;

/** Every tensor under llama.cpp's name; the joint gate and up projection as two. */
function ggufEntries(
  model: OpenElm,
  vocabSize: number,
  dtype: NonNullable<ExportGgufOptions["dtype"]>,
): GgufEntry[] {
  return Array.from(treeEntries(model.params as Tree<Leaf>)).flatMap(([path, leaf]) => {
    const [rows = 0, columns] = leaf.shape;
    if (columns === undefined) {
      return { name: renamed(path), dtype: "F32", shape: leaf.shape, data: () => valuesOf(leaf) };
    }
    const part = (name: string, from: number, to: number): GgufEntry => {
      const type = matrixType(dtype, columns);
      const data = async () => {
        const values = (await valuesOf(leaf)).subarray(from * columns, to * columns);
        return encode(values, { rows: to - from, columns }, type);
      };
      return { name, dtype: type, shape: [to - from, columns], data };
    };
    const gateUp = /^layers\.(\d+)\.ffn\.proj_1\./.exec(path);
    if (gateUp) {
      const half = rows / 2;
      return [
        part(`blk.${gateUp[1]}.ffn_gate.weight`, 0, half),
        part(`blk.${gateUp[1]}.ffn_up.weight`, half, rows),
      ];
    }
    const isTable = /^(token_embeddings|classifier)\./.test(path);
    return part(renamed(path), 0, isTable ? vocabSize : rows);
  });
}

function renamed(path: string): string {
  const rule = names.find(([pattern]) => pattern.test(path));
  if (!rule) throw new TypeError(`exportGguf: llama.cpp has no place for ${path}. Is this an OpenELM?`);
  return path.replace(rule[0], rule[1]);
}

/** As llama.cpp's own quantize: what does not divide into blocks stays f16. */
function matrixType(dtype: NonNullable<ExportGgufOptions["dtype"]>, columns: number): GgufDtype {
  const wanted = dtype.toUpperCase() as GgufDtype;
  return columns % ggufLayouts[wanted].blockSize === 0 ? wanted : "F16";
}

function encode(
  values: Float32Array,
  size: { rows: number; columns: number },
  dtype: GgufDtype,
): ArrayBufferView {
  if (dtype === "F32") return values;
  if (dtype === "F16") return encodeFloat16(values);
  return toGgufBlocks(quantizeRows(values, { ...size, format: dtype === "Q8_0" ? "int8" : "int4" }));
}

function checkVocabulary(vocabulary: GgufVocabulary, { vocabSize }: OpenElmConfig): void {
  const { tokens, scores, types, merges } = vocabulary;
  if (tokens.length === 0 || tokens.length > vocabSize) {
    throw new RangeError(
      `exportGguf: the vocabulary has ${tokens.length} tokens, expected 1 to ${vocabSize}, the rows of the embedding. ` +
        "Is this the model's tokenizer?",
    );
  }
  for (const [what, list] of Object.entries({ scores, types })) {
    if (list && list.length !== tokens.length) {
      throw new RangeError(
        `exportGguf: the vocabulary has ${list.length} ${what}, expected ${tokens.length}: one for each token.`,
      );
    }
  }
  const needed = merges ? ["Ċ"] : ["<0x0A>", "▁"]; // the line end, and the space
  const lacking = needed.filter((piece) => !tokens.includes(piece));
  if (lacking.length > 0) {
    throw new RangeError(
      `exportGguf: the vocabulary lacks ${lacking.join(" and ")}, which llama.cpp does not load without. ` +
        "Pass all pieces of the tokenizer, bytes included.",
    );
  }
}
