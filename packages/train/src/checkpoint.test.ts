import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CheckpointError, FormatError, IoError, Rng } from "@corenet/core";
import { bytesSink, bytesSource, fileSink, writeSafetensors } from "@corenet/formats";
import { memory, tensor } from "@corenet/tensor";
import { afterAll, expect, test } from "vitest";
import { onEveryBackend } from "../../../tools/testing/index.ts";
import { bitsOf } from "../test/toy.ts";
import {
  type Checkpoint,
  disposeCheckpoint,
  latestCheckpoint,
  listCheckpoints,
  readCheckpoint,
  saveCheckpoint,
} from "./checkpoint.ts";
import { type CheckpointStore, folderStore } from "./checkpoint-store.ts";

const root = await mkdtemp(join(tmpdir(), "train-checkpoint-"));
afterAll(() => rm(root, { recursive: true }));
let folders = 0;
const newFolder = () => join(root, `run ${folders++}`, "checkpoints");

/** A checkpoint after `step` updates; its numbers depend on the step. */
function sample(step: number, { shape = [2, 3], ema = true } = {}): Checkpoint {
  const size = shape.reduce((a, b) => a * b, 1);
  const leaf = (k: number) => tensor(new Rng(step * 10 + k).fillNormal(new Float32Array(size)), shape);
  const record = (k: number) => ({ "layers.0.w": leaf(k), gain: tensor([k, -0, 1e-40, 3e38]) });
  return {
    params: record(1),
    optimizer: { step, m: record(2), v: record(3) },
    ema: ema ? record(4) : undefined,
    history: Array.from({ length: step }, (_, i) => {
      return { step: i, loss: Math.PI / (i + 1), gradNorm: 1e-300, learningRate: 0.1 };
    }),
    rng: new Rng("run").save(),
    batches: { position: [step, "ü"] },
    schedule: { kind: "constant" },
    extra: null,
  };
}

const expected = { params: { "layers.0.w": [2, 3], gain: [4] }, ema: true };
const tensorsOf = ({ params, optimizer: { m, v }, ema = {} }: Checkpoint) => ({ params, m, v, ema });

onEveryBackend(() => {
  test("comes back to the bit", async () => {
    const folder = newFolder();
    const saved = sample(3);
    expect(await saveCheckpoint(folder, saved)).toBe("checkpoint-00000003.safetensors");
    const before = memory();
    const read = await latestCheckpoint(folder, { expected });
    if (!read) throw new Error("no checkpoint");
    expect(await bitsOf(tensorsOf(read))).toEqual(await bitsOf(tensorsOf(saved)));
    expect({ ...read, params: 0, optimizer: read.optimizer.step, ema: 0 }).toEqual({
      ...saved,
      params: 0,
      optimizer: 3,
      ema: 0,
    });
    disposeCheckpoint(read);
    expect(memory()).toEqual(before);
    expect(await readdir(folder)).toEqual(["checkpoint-00000003.safetensors"]);
  });

  test("a model of one tensor, which has no path, comes back too", async () => {
    const one = (k: number) => ({ "": tensor([k, k]) });
    const saved = {
      ...sample(0),
      params: one(1),
      optimizer: { step: 0, m: one(2), v: one(3) },
      ema: undefined,
    };
    const folder = newFolder();
    await saveCheckpoint(folder, saved);
    const read = await latestCheckpoint(folder, { expected: { params: { "": [2] }, ema: false } });
    expect(await bitsOf(tensorsOf(read as Checkpoint))).toEqual(await bitsOf(tensorsOf(saved)));
  });

  test("keeps the last few, and clears what crashes left", async () => {
    const folder = newFolder();
    for (const step of [8, 9, 10]) await saveCheckpoint(folder, sample(step), { keep: 2 });
    await writeFile(join(folder, "checkpoint-00000010.safetensors.0000-1111.tmp"), "half");
    await writeFile(join(folder, "notes.txt"), "mine");
    await writeFile(join(folder, "checkpoint-00000099.safetensors"), "broken and newer");
    await saveCheckpoint(folder, sample(11), { keep: 2 });
    expect((await readdir(folder)).sort()).toEqual([
      "checkpoint-00000010.safetensors",
      "checkpoint-00000011.safetensors",
      "checkpoint-00000099.safetensors",
      "notes.txt",
    ]);
    expect((await listCheckpoints(folder)).map(({ step }) => step)).toEqual([10, 11, 99]);
    await expect(saveCheckpoint(folder, sample(1), { keep: 0 })).rejects.toThrow(
      "keep is 0, expected an integer >= 1",
    );
  });

  test("takes the one before when the newest is cut short, at whatever byte, and says so", async () => {
    const folder = newFolder();
    await saveCheckpoint(folder, sample(1));
    const file = await saveCheckpoint(folder, sample(2));
    const path = join(folder, file);
    const whole = await readFile(path);
    const headerEnd = 8 + Number(whole.readBigUInt64LE(0));
    for (const length of [0, 7, 8, 100, headerEnd - 1, headerEnd, headerEnd + 5, whole.length - 1]) {
      await writeFile(path, whole);
      await truncate(path, length);
      const before = memory();
      const skipped: string[] = [];
      const read = await latestCheckpoint(folder, {
        expected,
        onSkip: ({ file: name, error }) => skipped.push(`${name}: ${error.name}`),
      });
      expect(read?.optimizer.step).toBe(1);
      expect(skipped).toEqual([`${file}: FormatError`]);
      disposeCheckpoint(read as Checkpoint);
      expect(memory()).toEqual(before);
    }
  });

  test("starts nothing anew when all checkpoints are damaged", async () => {
    const folder = newFolder();
    expect(await latestCheckpoint(folder)).toBeUndefined();
    await saveCheckpoint(folder, sample(1));
    await truncate(join(folder, "checkpoint-00000001.safetensors"), 40);
    await expect(latestCheckpoint(folder)).rejects.toThrow(CheckpointError);
    await expect(latestCheckpoint(folder)).rejects.toThrow("none of the 1 checkpoints in");
    await expect(latestCheckpoint(folder)).rejects.toThrow("The file is cut short");
  });

  test("skips one whose state cannot be read, or whose history is too short", async () => {
    for (const state of [
      "{",
      "{}",
      JSON.stringify({ step: -1, rng: {} }),
      JSON.stringify({ step: 5, rng: {} }),
    ]) {
      const folder = newFolder();
      await saveCheckpoint(folder, sample(1));
      const metadata = { format: "corenet-train", version: "1", state };
      await writeSafetensors(await fileSink(join(folder, "checkpoint-00000002.safetensors")), [], {
        metadata,
      });
      const skipped: unknown[] = [];
      const read = await latestCheckpoint(folder, { onSkip: ({ error }) => skipped.push(error) });
      expect(read?.optimizer.step).toBe(1);
      expect(skipped).toEqual([expect.any(FormatError)]);
    }
  });

  test("lists at once all that differs from the model", async () => {
    const folder = newFolder();
    await saveCheckpoint(folder, sample(2, { shape: [3, 2] }));
    const before = memory();
    const failure = latestCheckpoint(folder, {
      expected: { params: { "layers.0.w": [2, 3], other: [1] }, ema: false },
    });
    const error: unknown = await failure.catch((reason) => reason);
    expect(error).toBeInstanceOf(CheckpointError);
    for (const line of [
      "params.layers.0.w is F32 [3, 2], expected F32 [2, 3]",
      "v.layers.0.w is F32 [3, 2], expected F32 [2, 3]",
      "m.other is missing, expected F32 [1]",
      "params.gain [4] is there, expected no such tensor",
      "ema.gain [4] is there, expected no such tensor",
      "Use the folder of the run it belongs to",
    ]) {
      expect((error as Error).message).toContain(line);
    }
    expect(memory()).toEqual(before);
  });

  test("refuses another format version and foreign files, rather than to skip them", async () => {
    const folder = newFolder();
    await mkdir(folder, { recursive: true });
    const file = "checkpoint-00000002.safetensors";
    const write = async (metadata: Record<string, string>) =>
      writeSafetensors(await fileSink(join(folder, file)), [], { metadata });
    await write({ format: "corenet-train", version: "2", state: "?" });
    await expect(latestCheckpoint(folder, { expected })).rejects.toThrow(
      "its format version is 2, expected 1",
    );
    await expect(latestCheckpoint(folder, { expected })).rejects.toThrow("params.gain is missing");
    await write({ format: "pt" });
    await expect(readCheckpoint(folder, file)).rejects.toThrow("its format is pt, expected corenet-train");
  });
});

/** A store in memory; `room` is what all its files together may have. */
function memoryStore(room: number): CheckpointStore & { room: number; size(file: string): number } {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  return {
    name: "memory",
    room,
    size: (file) => files.get(file)?.length ?? 0,
    list: async () => [...files.keys()],
    open: async (file) => bytesSource(files.get(file) ?? new Uint8Array(0), { name: file }),
    async create(file) {
      const sink = bytesSink();
      let left = this.room;
      return {
        ...sink,
        async write(chunk) {
          left -= chunk.length;
          if (left < 0) throw new IoError(`memory: cannot write ${file}: ENOSPC.`, { path: file });
          await sink.write(chunk);
        },
        async close() {
          await sink.close();
          files.set(file, sink.bytes());
        },
      };
    },
    remove: async (file) => void files.delete(file),
  };
}

onEveryBackend(() => {
  test("a disk that is full midway leaves the earlier checkpoint", async () => {
    const store = memoryStore(1e6);
    await saveCheckpoint(store, sample(1), { keep: 1 });
    const size = store.size("checkpoint-00000001.safetensors");
    for (const room of [0, 10, size - 200, size]) {
      store.room = room;
      await expect(saveCheckpoint(store, sample(2), { keep: 1 })).rejects.toThrow(IoError);
      expect((await latestCheckpoint(store, { expected }))?.optimizer.step).toBe(1);
    }
    store.room = 1e6;
    await saveCheckpoint(store, sample(2), { keep: 1 });
    expect(await store.list()).toEqual(["checkpoint-00000002.safetensors"]);
  });

  test("names a folder that cannot be", async () => {
    const file = join(root, "a file");
    await writeFile(file, "");
    for (const folder of [file, join(file, "inside"), "/dev/null/x"]) {
      const failure: unknown = await saveCheckpoint(folder, sample(1)).catch((reason) => reason);
      expect(failure).toBeInstanceOf(IoError);
      expect((failure as IoError).message).toMatch(
        /folderStore: cannot make the folder .+: E(NOTDIR|EXIST|NOENT)\. Check/,
      );
    }
    await expect(folderStore(file).list()).rejects.toThrow(IoError);
    await expect(folderStore(join(file, "x")).remove("y")).rejects.toThrow(IoError);
  });
});
