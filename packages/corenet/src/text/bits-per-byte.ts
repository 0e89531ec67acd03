import { throwIfAborted, yieldToEventLoop } from "@corenet/core";
import { type CausalLm, crossEntropy } from "@corenet/nn";
import { type Tensor, takeData, tensor, tidy } from "@corenet/tensor";

export interface BitsPerByteOptions {
  /** Positions of a window. @default the model's context */
  window?: number;
  /** How far windows lie apart; each but a block's first scores its last `stride` bytes. @default half the window */
  stride?: number;
  /** Windows computed at a time. @default 8 */
  batchSize?: number;
  signal?: AbortSignal | undefined;
}

/**
 * The mean negative log₂-likelihood that a byte-level model gives the blocks. Every byte but the first of each block is
 * predicted once, from what comes before it in its block: all of it in the first window, at least `window − stride` and
 * at most `window` bytes after. The first byte of a block, which nothing precedes, counts 8 bits.
 *
 * @throws RangeError when the blocks are empty or the model's vocabulary is smaller than 256
 */
export async function bitsPerByte(
  model: CausalLm,
  blocks: readonly Uint8Array[],
  options: BitsPerByteOptions = {},
): Promise<number> {
  const { window = model.contextLength, signal } = options;
  const { stride = Math.max(1, Math.floor(window / 2)), batchSize = 8 } = options;
  const bytes = blocks.reduce((sum, { length }) => sum + length, 0);
  if (bytes === 0) throw new RangeError("bitsPerByte: the blocks are empty, expected some text.");
  if (model.vocabSize < 256) {
    throw new RangeError(`bitsPerByte: the model has ${model.vocabSize} tokens, expected one for each byte.`);
  }
  if (!(Number.isInteger(stride) && stride >= 1 && stride <= window)) {
    throw new RangeError(
      `bitsPerByte: stride is ${stride}, expected an integer from 1 to the window of ${window}.`,
    );
  }

  let nats = 0;
  const windows = blocks.flatMap((block) => windowsOf(block, window, stride));
  for (const group of sameLength(windows, batchSize)) {
    throwIfAborted(signal);
    const loss = tidy(() => groupLoss(model, group));
    nats += ((await takeData(loss))[0] as number) * group.reduce((sum, { scored }) => sum + scored, 0);
    await yieldToEventLoop();
  }
  return (nats / Math.LN2 + 8 * blocks.filter(({ length }) => length > 0).length) / bytes;
}

/** A stretch of text whose last `scored` bytes are predicted from those before. */
interface ScoredWindow {
  readonly bytes: Uint8Array;
  readonly scored: number;
}

function windowsOf(block: Uint8Array, window: number, stride: number): ScoredWindow[] {
  const windows: ScoredWindow[] = [];
  let predicted = 1;
  while (predicted < block.length) {
    const end = Math.min(block.length, predicted === 1 ? window + 1 : predicted + stride);
    windows.push({ bytes: block.subarray(Math.max(0, end - window - 1), end), scored: end - predicted });
    predicted = end;
  }
  return windows;
}

function sameLength(windows: readonly ScoredWindow[], batchSize: number): ScoredWindow[][] {
  const byLength = Map.groupBy(windows, ({ bytes }) => bytes.length);
  return [...byLength.values()].flatMap((group) =>
    Array.from({ length: Math.ceil(group.length / batchSize) }, (_, i) =>
      group.slice(i * batchSize, (i + 1) * batchSize),
    ),
  );
}

/** The mean loss of the scored bytes, in nats. */
function groupLoss(model: CausalLm, group: readonly ScoredWindow[]): Tensor {
  const [B, T] = [group.length, (group[0] as ScoredWindow).bytes.length - 1];
  const ignored = -100;
  const tokens = new Int32Array(B * T);
  const targets = new Int32Array(B * T).fill(ignored);
  group.forEach(({ bytes, scored }, row) => {
    tokens.set(bytes.subarray(0, T), row * T);
    targets.set(bytes.subarray(T + 1 - scored), (row + 1) * T - scored);
  });
  const logits = model.forward(tensor(tokens, [B, T], "int32")); // [B, T, V]
  return crossEntropy(logits, tensor(targets, [B, T], "int32"), { ignoreIndex: ignored });
}
