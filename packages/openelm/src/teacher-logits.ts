// What a teacher says of samples, computed once and kept in a file: safetensors with the largest logits of each place.
import { CheckpointError, createProgress, type OnProgress, throwIfAborted } from "@corenet/core";
import {
  type ByteSink,
  type ByteSource,
  borrowedSource,
  fileSink,
  fileSource,
  openSafetensors,
  type SafetensorsEntry,
  type TensorInfo,
  writeSafetensors,
} from "@corenet/formats";
import { type CausalLm, keepTopK } from "@corenet/nn";
import { slice, takeData, tensor, tidy } from "@corenet/tensor";
import type { PackedSample } from "./pack-documents.ts";
import type { TextSample } from "./text-samples.ts";

export interface TeacherLogitsOptions {
  /** How many of the largest logits are kept at each place. @default 32, or as many as there are words */
  topK?: number;
  /** Stands in targets where nothing is predicted: the teacher is not asked there. @default -100 */
  ignoreId?: number;
  signal?: AbortSignal | undefined;
  onProgress?: OnProgress | undefined;
}

/** The largest logits at the places of one sample: both [T, topK], zeros where nothing is predicted. */
export interface SampleLogits {
  readonly logits: Float32Array;
  readonly ids: Int32Array;
}

/** A file of a teacher's logits, read sample by sample. */
export interface TeacherLogits {
  readonly topK: number;
  /** @throws RangeError when there is no such sample; IoError when it cannot be read */
  read(sample: number): Promise<SampleLogits>;
  close(): Promise<void>;
}

const format = "corenet-teacher-logits";
const blockSamples = 64; // of a pair of tensors in the file
const blockPlaces = 64; // whose logits are read from the device at a time

/**
 * Asks a teacher for the next token at every place that is predicted, and writes its largest logits: 8 bytes for each, so a
 * thousand places with 32 take 256 kB. One sample is read at a time, and 64 places of it leave the device at a time.
 *
 * @param samples - what the student shall train on, packed or not
 * @param to - a path (Node), or a sink
 * @throws RangeError when `topK` is no integer in [1, V], or a sample is empty
 * @throws IoError when the file cannot be written; nothing remains of it then
 */
export async function cacheTeacherLogits(
  teacher: CausalLm,
  samples: readonly (TextSample | PackedSample)[],
  to: string | ByteSink,
  options: TeacherLogitsOptions = {},
): Promise<void> {
  const { topK: K = Math.min(32, teacher.vocabSize), ignoreId = -100, signal, onProgress } = options;
  if (!(Number.isInteger(K) && K >= 1 && K <= teacher.vocabSize)) {
    throw new RangeError(
      `cacheTeacherLogits: topK is ${K}, expected an integer from 1 to the vocabulary's ${teacher.vocabSize}.`,
    );
  }
  throwIfAborted(signal);
  const progress = createProgress({ phase: "teach", unit: "samples", total: samples.length, onProgress });
  const entries: SafetensorsEntry[] = [];
  for (let first = 0; first < samples.length; first += blockSamples) {
    const block = samples.slice(first, first + blockSamples);
    const places = block.reduce((sum, sample) => sum + countPlaces(sample, ignoreId), 0);
    const shape = [places, K];
    let found: SampleLogits | undefined;
    const ask = async () => {
      const logits = new Float32Array(places * K).fill(-Infinity); // stays where a teacher has fewer words
      const ids = new Int32Array(places * K);
      let at = 0;
      for (const sample of block) {
        throwIfAborted(signal);
        for await (const row of placesOf(teacher, sample, ignoreId)) {
          largest(row, K, logits.subarray(at * K, (at + 1) * K), ids.subarray(at * K, (at + 1) * K));
          at += 1;
        }
        progress.advance(1);
      }
      found = { logits, ids };
      return logits;
    };
    const name = first / blockSamples;
    entries.push({ name: `logits.${name}`, dtype: "F32", shape, data: ask });
    entries.push({ name: `ids.${name}`, dtype: "I32", shape, data: () => found?.ids ?? new Int32Array(0) });
  }
  const metadata = { format, topK: String(K), samples: await digestOf(samples, ignoreId) };
  const sink = typeof to === "string" ? await fileSink(to) : to;
  await writeSafetensors(sink, entries, { metadata, order: "given", signal });
  progress.finish();
}

/**
 * Opens what `cacheTeacherLogits` wrote of these samples. That it was the same teacher nobody checks.
 *
 * @param from - a path (Node), or a source, which is closed with the result
 * @throws CheckpointError when the file is something else, or of other samples
 * @throws FormatError when it is broken; IoError when it cannot be read
 */
export async function openTeacherLogits(
  from: string | ByteSource,
  samples: readonly (TextSample | PackedSample)[],
  { ignoreId = -100 }: Pick<TeacherLogitsOptions, "ignoreId"> = {},
): Promise<TeacherLogits> {
  const source = typeof from === "string" ? await fileSource(from) : from;
  try {
    const { tensors, metadata } = await openSafetensors(borrowedSource(source));
    const refuse = (what: string) =>
      new CheckpointError(`openTeacherLogits: ${source.name} ${what}. Delete it, or ask the teacher again.`);
    if (metadata.get("format") !== format) throw refuse("holds no logits of a teacher");
    if (metadata.get("samples") !== (await digestOf(samples, ignoreId))) throw refuse("is of other samples");
    const K = Number(metadata.get("topK"));
    const starts = startsInBlocks(samples, ignoreId);

    async function rows(name: string, from: number, count: number): Promise<ArrayBuffer> {
      const { offset } = tensors.get(name) as TensorInfo;
      const bytes = await source.read(offset + from * K * 4, count * K * 4);
      return bytes.slice().buffer; // aligned
    }
    return {
      topK: K,
      async read(index) {
        const sample = samples[index];
        if (!sample) {
          throw new RangeError(
            `TeacherLogits: there is no sample ${index}, expected 0 to ${samples.length - 1}.`,
          );
        }
        const block = Math.floor(index / blockSamples);
        const [first, count] = [starts[index] as number, countPlaces(sample, ignoreId)];
        const [logits, ids] = await Promise.all([
          rows(`logits.${block}`, first, count),
          rows(`ids.${block}`, first, count),
        ]);
        return spread(sample, ignoreId, K, new Float32Array(logits), new Int32Array(ids));
      },
      close: () => source.close(),
    };
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** The teacher's logits [V] of each place that has a target, in their order; each is valid until the next. */
async function* placesOf(
  teacher: CausalLm,
  sample: TextSample | PackedSample,
  ignoreId: number,
): AsyncGenerator<Float32Array> {
  const T = sample.tokens.length;
  const V = teacher.vocabSize;
  const logits = tidy(() => {
    const tokens = tensor(sample.tokens, [1, T]);
    return teacher.forward(tokens, "documents" in sample ? { documents: [sample.documents] } : {}); // [1, T, V]
  });
  try {
    for (let from = 0; from < T; from += blockPlaces) {
      const count = Math.min(blockPlaces, T - from);
      const wanted = sample.targets.subarray(from, from + count);
      if (wanted.every((id) => id === ignoreId)) continue;
      const rows = await takeData(slice(logits, [0, from, 0], [1, count, V]));
      for (const [t, id] of wanted.entries()) if (id !== ignoreId) yield rows.subarray(t * V, (t + 1) * V);
    }
  } finally {
    logits.dispose();
  }
}

/** Writes the K largest of a row, in the order of their ids; where some tie with the last, the first of them. */
function largest(row: Float32Array, K: number, logits: Float32Array, ids: Int32Array): void {
  const kept = keepTopK(row, K);
  const least = kept.reduce(
    (smallest, logit) => (logit > -Infinity && logit < smallest ? logit : smallest),
    Infinity,
  );
  let ties = K - kept.reduce((count, logit) => count + Number(logit > least), 0);
  let at = 0;
  for (let id = 0; id < row.length && at < K; id++) {
    const logit = kept[id] as number;
    if (logit < least || (logit === least && ties-- <= 0)) continue;
    logits[at] = logit;
    ids[at] = id;
    at += 1;
  }
}

function countPlaces({ targets }: TextSample, ignoreId: number): number {
  return targets.reduce((count, id) => count + Number(id !== ignoreId), 0);
}

/** The first place of each sample within its block of the file. */
function startsInBlocks(samples: readonly TextSample[], ignoreId: number): number[] {
  let at = 0;
  return samples.map((sample, i) => {
    if (i % blockSamples === 0) at = 0;
    const start = at;
    at += countPlaces(sample, ignoreId);
    return start;
  });
}

/** Rows of the predicted places at their places [T, K]. */
function spread(
  { targets }: TextSample,
  ignoreId: number,
  K: number,
  logits: Float32Array,
  ids: Int32Array,
): SampleLogits {
  const all = { logits: new Float32Array(targets.length * K), ids: new Int32Array(targets.length * K) };
  let at = 0;
  targets.forEach((id, t) => {
    if (id === ignoreId) return;
    all.logits.set(logits.subarray(at * K, (at + 1) * K), t * K);
    all.ids.set(ids.subarray(at * K, (at + 1) * K), t * K);
    at += 1;
  });
  return all;
}

/** SHA-256 of all that decides where the teacher is asked, and what it reads. */
async function digestOf(samples: readonly (TextSample | PackedSample)[], ignoreId: number): Promise<string> {
  const words = samples.reduce((sum, { tokens }) => sum + 2 * tokens.length + 1, 1);
  const text = new Int32Array(words);
  text[0] = ignoreId;
  let at = 1;
  for (const sample of samples) {
    text[at] = sample.tokens.length;
    text.set(sample.tokens, at + 1);
    text.set(sample.targets, at + 1 + sample.tokens.length);
    at += 1 + 2 * sample.tokens.length;
  }
  const starts = JSON.stringify(samples.map((sample) => ("documents" in sample ? sample.documents : 0)));
  const digests = await Promise.all(
    [text, new TextEncoder().encode(starts)].map((part) => crypto.subtle.digest("SHA-256", part)),
  );
  return digests.map((digest) => Array.from(new Uint8Array(digest), hex).join("")).join("-");
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}
