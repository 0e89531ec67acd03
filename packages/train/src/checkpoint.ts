// A checkpoint is one safetensors file: params.*, m.*, v.*, ema.* (float32), history.* (float64, one number a step),
// and the rest as JSON in its metadata.
import { CheckpointError, FormatError, IoError, type RngState } from "@corenet/core";
import { openSafetensors, type SafetensorsEntry, type TensorFile, writeSafetensors } from "@corenet/formats";
import { formatShape, readData, type Tensor, tensor } from "@corenet/tensor";
import type { AdamwState } from "./adamw.ts";
import { type CheckpointStore, folderStore } from "./checkpoint-store.ts";
import type { Json } from "./resumable.ts";

/** Tensors by the path of their parameter. */
export type TensorRecord = Readonly<Record<string, Tensor>>;

export interface StepRecord {
  /** Counted from 0. */
  readonly step: number;
  /** Before the update of this step; the mean, where batches are accumulated. */
  readonly loss: number;
  /** Global norm of the gradients before clipping. */
  readonly gradNorm: number;
  readonly learningRate: number;
}

/** All that a run needs to go on as if nothing had happened. */
export interface Checkpoint {
  /** The trained parameters; frozen ones are not stored. */
  readonly params: TensorRecord;
  /** Its `step` is the number of updates made. */
  readonly optimizer: AdamwState;
  /** Moving average of the parameters, where one is kept. */
  readonly ema?: TensorRecord | undefined;
  /** One record for each update. */
  readonly history: readonly StepRecord[];
  readonly rng: RngState;
  /** Position of the batch source. */
  readonly batches: Json;
  /** What the schedule was made from, to tell later. */
  readonly schedule: Json;
  /** The caller's own. */
  readonly extra: Json;
}

export interface SkippedCheckpoint {
  readonly file: string;
  readonly error: FormatError | IoError;
}

export interface ReadCheckpointOptions {
  /** What the checkpoint must hold: shapes by path. @default anything */
  expected?: { readonly params: Readonly<Record<string, readonly number[]>>; readonly ema: boolean };
  signal?: AbortSignal | undefined;
}

export interface LatestCheckpointOptions extends ReadCheckpointOptions {
  /** Is told of each newer file that cannot be read. */
  onSkip?: ((skipped: SkippedCheckpoint) => void) | undefined;
}

const format = "corenet-train";
const version = "1";
const filePattern = /^checkpoint-(\d{8,15})\.safetensors$/;
const leftoverPattern = /^checkpoint-\d{8,15}\.safetensors\..+\.tmp$/;
const series = ["loss", "gradNorm", "learningRate"] as const;

/** The files of all checkpoints in a folder, the oldest first. */
export async function listCheckpoints(
  folder: string | CheckpointStore,
): Promise<{ file: string; step: number }[]> {
  const files = await storeOf(folder).list();
  return files
    .flatMap((file) => {
      const step = filePattern.exec(file)?.[1];
      return step === undefined ? [] : [{ file, step: Number(step) }];
    })
    .sort((a, b) => a.step - b.step);
}

/**
 * Writes a checkpoint as `checkpoint-00000120.safetensors`: whole or not at all. Then removes those before the last
 * `keep` up to it, and what crashed writes left behind. Borrows the tensors.
 *
 * @param options.keep - how many stay, at least 1
 * @returns the name of the file
 * @throws IoError when it cannot be written; the earlier ones are still there
 */
export async function saveCheckpoint(
  folder: string | CheckpointStore,
  checkpoint: Checkpoint,
  options: { keep?: number } = {},
): Promise<string> {
  const { keep = 3 } = options;
  if (!(Number.isSafeInteger(keep) && keep >= 1)) {
    throw new RangeError(`saveCheckpoint: keep is ${keep}, expected an integer >= 1.`);
  }
  const store = storeOf(folder);
  const { step } = checkpoint.optimizer;
  const file = `checkpoint-${String(step).padStart(8, "0")}.safetensors`;
  const { rng, batches, schedule, extra } = checkpoint;
  const state = JSON.stringify({ step, rng, batches, schedule, extra });
  await writeSafetensors(await store.create(file), entriesOf(checkpoint), {
    metadata: { format, version, state },
  });

  const upToHere = (await listCheckpoints(store)).filter((one) => one.step <= step);
  const leftovers = (await store.list()).filter((name) => leftoverPattern.test(name));
  for (const old of [...upToHere.slice(0, -keep).map((one) => one.file), ...leftovers])
    await store.remove(old);
  return file;
}

/**
 * The newest checkpoint that can be read. A damaged one is skipped, with the reason told to `onSkip`.
 *
 * @returns its content, the tensors the caller's; undefined where there is no checkpoint at all
 * @throws CheckpointError when it is of another format version or another model, with all that differs; or when there
 *   are checkpoints and none can be read
 * @throws IoError when the folder cannot be listed
 */
export async function latestCheckpoint(
  folder: string | CheckpointStore,
  options: LatestCheckpointOptions = {},
): Promise<Checkpoint | undefined> {
  const store = storeOf(folder);
  const { onSkip, ...readOptions } = options;
  const skipped: SkippedCheckpoint[] = [];
  for (const { file } of (await listCheckpoints(store)).reverse()) {
    try {
      return await readCheckpoint(store, file, readOptions);
    } catch (error) {
      if (!(error instanceof FormatError || error instanceof IoError)) throw error;
      skipped.push({ file, error });
      onSkip?.({ file, error });
    }
  }
  if (skipped.length === 0) return undefined;
  const reasons = skipped.map(({ file, error }) => `  ${file}: ${error.message}`);
  throw new CheckpointError(
    `latestCheckpoint: none of the ${skipped.length} checkpoints in ${store.name} can be read. ` +
      `Remove them to start anew.\n${reasons.join("\n")}`,
    { path: store.name, cause: new AggregateError(skipped.map(({ error }) => error)) },
  );
}

/**
 * Reads one checkpoint file.
 *
 * @returns its content; the tensors are the caller's
 * @throws FormatError when it is damaged; IoError when it cannot be read
 * @throws CheckpointError when it is not what was expected, with all that differs
 */
export async function readCheckpoint(
  folder: string | CheckpointStore,
  file: string,
  options: ReadCheckpointOptions = {},
): Promise<Checkpoint> {
  const store = storeOf(folder);
  const { expected, signal } = options;
  const content = await openSafetensors(await store.open(file), { signal });
  try {
    checkContent(`${store.name}/${file}`, content, expected);
    const state = parseState(file, content);
    const history = await readHistory(file, content, state.step);
    const { params, m, v, ema } = await readTensors(content, signal);
    return {
      params,
      optimizer: { step: state.step, m, v },
      ema: Object.keys(ema).length > 0 ? ema : undefined,
      history,
      rng: state.rng,
      batches: state.batches,
      schedule: state.schedule,
      extra: state.extra,
    };
  } finally {
    await content.close();
  }
}

/** Frees the tensors of a checkpoint. */
export function disposeCheckpoint({ params, optimizer, ema }: Checkpoint): void {
  for (const record of [params, optimizer.m, optimizer.v, ema ?? {}]) {
    for (const tensor of Object.values(record)) tensor.dispose();
  }
}

export function storeOf(folder: string | CheckpointStore): CheckpointStore {
  return typeof folder === "string" ? folderStore(folder) : folder;
}

// A model that is one tensor has the path "": its tensors are called params, m, v, ema alone.
const nameIn = (group: string, path: string): string => (path === "" ? group : `${group}.${path}`);

function entriesOf({ params, optimizer, ema, history }: Checkpoint): SafetensorsEntry[] {
  const groups = { params, m: optimizer.m, v: optimizer.v, ema: ema ?? {} };
  const tensors = Object.entries(groups).flatMap(([group, record]) =>
    Object.entries(record).map(([path, leaf]): SafetensorsEntry => {
      return { name: nameIn(group, path), dtype: "F32", shape: leaf.shape, data: () => readData(leaf) };
    }),
  );
  const numbers = series.map((key): SafetensorsEntry => {
    const data = Float64Array.from(history, (record) => record[key]);
    return { name: `history.${key}`, dtype: "F64", shape: [data.length], data };
  });
  return [...tensors, ...numbers];
}

/** Throws one error with everything in which the file differs from what was expected. */
function checkContent(path: string, content: TensorFile, expected: ReadCheckpointOptions["expected"]): void {
  const differences: string[] = [];
  const { metadata, tensors } = content;
  const saw = metadata.get("format");
  if (saw !== format) {
    differences.push(`its format is ${saw ?? "not named"}, expected ${format}`);
  } else if (metadata.get("version") !== version) {
    differences.push(`its format version is ${metadata.get("version")}, expected ${version}`);
  }
  const wanted = new Map<string, string>();
  for (const [param, shape] of Object.entries(expected?.params ?? {})) {
    const groups = ["params", "m", "v", ...(expected?.ema ? ["ema"] : [])];
    for (const group of groups) wanted.set(nameIn(group, param), `F32 ${formatShape(shape)}`);
  }
  for (const [name, want] of wanted) {
    const info = tensors.get(name);
    const have = info && `${info.dtype} ${formatShape(info.shape)}`;
    if (have === undefined) differences.push(`${name} is missing, expected ${want}`);
    else if (have !== want) differences.push(`${name} is ${have}, expected ${want}`);
  }
  if (expected) {
    for (const [name, info] of tensors) {
      if (wanted.has(name) || name.startsWith("history.")) continue;
      differences.push(`${name} ${formatShape(info.shape)} is there, expected no such tensor`);
    }
  }
  if (differences.length === 0) return;
  throw new CheckpointError(
    `readCheckpoint: ${path} does not fit this run. ` +
      `Use the folder of the run it belongs to, or another folder for this one.\n  ${differences.join("\n  ")}`,
    { path },
  );
}

type State = Pick<Checkpoint, "rng" | "batches" | "schedule" | "extra"> & { step: number };

function parseState(file: string, { metadata }: TensorFile): State {
  try {
    const state = JSON.parse(metadata.get("state") ?? "");
    if (Number.isSafeInteger(state.step) && state.step >= 0 && typeof state.rng === "object") return state;
  } catch {
    // said below
  }
  throw new FormatError(`readCheckpoint: ${file} has no readable state. The file is damaged; use another.`, {
    file,
  });
}

async function readHistory(file: string, content: TensorFile, steps: number): Promise<StepRecord[]> {
  const columns = new Map<string, Float64Array>();
  for (const key of series) {
    const name = `history.${key}`;
    const data = content.tensors.has(name) ? await content.read(name) : null;
    if (!(data instanceof Float64Array) || data.length !== steps) {
      throw new FormatError(
        `readCheckpoint: ${name} of ${file} has ${data?.length ?? "no"} numbers, expected ${steps} as F64, one a step. ` +
          "The file is damaged; use another.",
        { file, tensor: name },
      );
    }
    columns.set(key, data);
  }
  const column = (key: (typeof series)[number], step: number) => columns.get(key)?.[step] as number;
  return Array.from({ length: steps }, (_, step) => ({
    step,
    loss: column("loss", step),
    gradNorm: column("gradNorm", step),
    learningRate: column("learningRate", step),
  }));
}

type TensorGroups = Record<"params" | "m" | "v" | "ema", TensorRecord>;

async function readTensors(content: TensorFile, signal: AbortSignal | undefined): Promise<TensorGroups> {
  const made: Record<keyof TensorGroups, [string, Tensor][]> = { params: [], m: [], v: [], ema: [] };
  try {
    for (const [name, { shape }] of content.tensors) {
      const [group = "", ...path] = name.split(".");
      if (!Object.hasOwn(made, group)) continue;
      const data = await content.read(name, { signal });
      if (!(data instanceof Float32Array)) {
        throw new FormatError(`readCheckpoint: ${name} is not F32. The file is damaged; use another.`, {
          tensor: name,
        });
      }
      made[group as keyof TensorGroups].push([path.join("."), tensor(data, shape)]);
    }
  } catch (error) {
    for (const list of Object.values(made)) for (const [, leaf] of list) leaf.dispose();
    throw error;
  }
  const record = (list: [string, Tensor][]): TensorRecord => Object.fromEntries(list);
  return {
    params: record(made.params),
    m: record(made.m),
    v: record(made.v),
    ema: record(made.ema),
  };
}
