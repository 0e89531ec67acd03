import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CheckpointError, FormatError, IoError } from "@corenet/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { bytesSink } from "./bytes-sink.ts";
import { bytesSource } from "./bytes-source.ts";
import { openCheckpoint } from "./open-checkpoint.ts";
import { writeSafetensors } from "./write-safetensors.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "formats-checkpoint-"));
});
afterEach(() => rm(folder, { recursive: true }));

const [one, two] = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];

/** A safetensors file of one-number tensors. */
async function shard(values: Record<string, number>): Promise<Uint8Array> {
  const sink = bytesSink();
  const entries = Object.entries(values).map(([name, value]) => ({
    name,
    dtype: "F32" as const,
    shape: [1],
    data: Float32Array.of(value),
  }));
  await writeSafetensors(sink, entries, { metadata: { format: "pt" } });
  return sink.bytes();
}
const put = async (name: string, content: string | Uint8Array) => writeFile(join(folder, name), content);
const index = (weightMap: unknown) => JSON.stringify({ metadata: { total_size: 12 }, weight_map: weightMap });

test("opens the OpenELM golden folder, and its file", async () => {
  const path = new URL("../../../golden/openelm/tiny-hf", import.meta.url).pathname;
  for (const from of [path, join(path, "model.safetensors")]) {
    const checkpoint = await openCheckpoint(from);
    expect(checkpoint.tensors.get("transformer.token_embeddings.weight")?.shape).toHaveLength(2);
    await checkpoint.close();
  }
});

test("reads shards as one", async () => {
  await put(one, await shard({ a: 1, b: 2 }));
  await put(two, await shard({ c: 3 }));
  await put("model.safetensors.index.json", index({ a: one, b: one, c: two }));
  const checkpoint = await openCheckpoint(folder);
  expect([...checkpoint.tensors.keys()]).toEqual(["a", "b", "c"]);
  expect(checkpoint.tensors.get("c")?.file).toBe(join(folder, two));
  expect(checkpoint.metadata.get("format")).toBe("pt");
  expect(await checkpoint.read("a")).toEqual(Float32Array.of(1));
  const target = new Uint8Array(4);
  await checkpoint.readInto("c", target);
  expect(new Float32Array(target.buffer)[0]).toBe(3);
  await expect(checkpoint.read("d")).rejects.toThrow('has no tensor "d", expected one of its 3');
  await checkpoint.close();
  await expect(checkpoint.read("a")).rejects.toThrow(IoError);
});

test("takes sources, told apart by the last part of their names, and closes them all", async () => {
  const sources = [
    bytesSource(new TextEncoder().encode(index({ a: one, b: two })), {
      name: "https://example.org/m/model.safetensors.index.json?download=1",
    }),
    bytesSource(await shard({ a: 1 }), { name: `https://example.org/m/${one}` }),
    bytesSource(await shard({ b: 2 }), { name: two }),
  ];
  const checkpoint = await openCheckpoint(sources);
  expect(await checkpoint.read("b")).toEqual(Float32Array.of(2));
  await checkpoint.close();
  for (const source of sources) await expect(source.read(0, 1)).rejects.toThrow("was closed");

  const single = bytesSource(await shard({ w: 5 }), { name: "any name" });
  expect(await (await openCheckpoint([single])).read("w")).toEqual(Float32Array.of(5));
});

test("lists all contradictions at once", async () => {
  await put(one, await shard({ a: 1, extra: 2, moved: 3 }));
  await put(two, await shard({ b: 4 }));
  const third = "model-00003-of-00003.safetensors";
  await put("model.safetensors.index.json", index({ a: one, b: two, gone: two, moved: two, far: third }));
  const error = await openCheckpoint(folder).catch((error) => error);
  expect(error).toBeInstanceOf(CheckpointError);
  expect(error.path).toBe(folder);
  expect(error.message.split("\n").slice(1, -1)).toEqual([
    `- ${third} is missing`,
    `- ${one} holds "extra", which the index does not list`,
    `- ${one} holds "moved", which the index puts into ${two}`,
    `- ${two} does not hold "gone", which the index puts there`,
    `- ${two} does not hold "moved", which the index puts there`,
  ]);
});

test("an index cannot reach outside its folder", async () => {
  await put(
    "model.safetensors.index.json",
    index({ a: "../secret.safetensors", b: "/etc/passwd", c: 3, d: one }),
  );
  const error = await openCheckpoint(folder).catch((error) => error);
  expect(error).toBeInstanceOf(CheckpointError);
  expect(error.message).toContain(
    '- "a" is in "../secret.safetensors"\n- "b" is in "/etc/passwd"\n- "c" is in 3\n',
  );
});

test("says what is missing", async () => {
  await expect(openCheckpoint(folder)).rejects.toThrow(
    "has neither model.safetensors nor model.safetensors.index.json",
  );
  await expect(openCheckpoint(join(folder, "none"))).rejects.toThrow(IoError);
  await expect(openCheckpoint([])).rejects.toThrow("got an empty list, expected model.safetensors");
  await put("model.safetensors.index.json", "{}");
  await expect(openCheckpoint(folder)).rejects.toThrow("has no object weight_map");
  await put("model.safetensors.index.json", '{"weight_map":{"a":"x.safetensors","a":"y.safetensors"}}');
  await expect(openCheckpoint(folder)).rejects.toThrow(FormatError);
});

test("a broken shard is a FormatError with its name", async () => {
  await put(one, (await shard({ a: 1 })).slice(0, -1));
  await put("model.safetensors.index.json", index({ a: one }));
  await expect(openCheckpoint(folder)).rejects.toMatchObject({
    name: "FormatError",
    file: join(folder, one),
  });
});
