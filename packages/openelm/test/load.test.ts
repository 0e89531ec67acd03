import { cp, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { wasm } from "@corenet/backend-wasm";
import { CheckpointError, FormatError, OutOfMemoryError } from "@corenet/core";
import { bytesSource, fileSource, openSafetensors } from "@corenet/formats";
import { estimateBytes, loadOpenElm, openElmConfig, parseConfig, saveOpenElm } from "@corenet/openelm";
import {
  isTensor,
  memory,
  type PackedMatrix,
  packMatrix,
  range,
  type Tensor,
  type Tensor2D,
  tensor,
  treeLeaves,
  useBackend,
} from "@corenet/tensor";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { loadGolden, onEveryBackend } from "../../../tools/testing/index.ts";
import { checkRoom } from "../src/storage.ts";

const published = new URL("../../../golden/openelm/tiny-hf", import.meta.url).pathname;
const readConfig = async (folder: string) => JSON.parse(await readFile(join(folder, "config.json"), "utf8"));
let folder = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "corenet-openelm-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

/** A copy of the published folder whose config has other values. */
async function copyWith(changes: object): Promise<string> {
  await cp(published, folder, { recursive: true });
  await writeFile(
    join(folder, "config.json"),
    JSON.stringify({ ...(await readConfig(published)), ...changes }),
  );
  return folder;
}

onEveryBackend(() => {
  test("loads the reference's folder and computes its logits", async () => {
    const golden = await loadGolden("openelm/tiny");
    using model = await loadOpenElm(published);
    const { shape, data } = golden.tensors.get("input.tokens") as { shape: number[]; data: Int32Array };
    const logits = model.forward(tensor(data, shape as [number, number]));
    const expected = golden.tensors.get("output.logits") as { shape: number[]; data: Float32Array };
    await expect(logits).toBeAllClose(expected, { atol: 2e-5, rtol: 1e-4 });
  });

  test("saves what it loaded, byte for byte and key by key", async () => {
    using model = await loadOpenElm(published);
    await saveOpenElm(model, join(folder, "new"));
    expect(await readConfig(join(folder, "new"))).toEqual(await readConfig(published));
    for (const name of ["model.safetensors", "generation_config.json"]) {
      const [ours, theirs] = await Promise.all(
        [join(folder, "new", name), join(published, name)].map((path) => readFile(path)),
      );
      expect(ours?.equals(theirs as Buffer), name).toBe(true);
    }
  });

  test.each(["f16", "bf16", "int8", "int4"] as const)(
    "keeps matrices as %s, whatever the file has",
    async (storage) => {
      using model = await loadOpenElm(published);
      const ids = range(0, model.vocabSize);
      for (const dtype of ["float32", "bfloat16"] as const) {
        await saveOpenElm(model, join(folder, dtype), { dtype });
        using wide = await loadOpenElm(join(folder, dtype));
        const expected = await packMatrix(wide.params.token_embeddings.weight as Tensor2D, storage);
        using packed = await loadOpenElm(join(folder, dtype), { storage });
        const rows = (packed.params.token_embeddings.weight as PackedMatrix).unpackRows(ids);
        await expect(rows).toBeAllClose(expected.unpackRows(ids), { atol: 0, rtol: 0 });
        expected.dispose();
        expect(packed.params.norm.weight).toHaveProperty("dataId");
        const held = [...treeLeaves<Tensor | PackedMatrix>(packed.params)].map((leaf) =>
          isTensor(leaf) ? leaf.size * 4 : leaf.byteLength,
        );
        const total = held.reduce((sum, bytes) => sum + bytes, 0);
        // Rows of the tiny model are no multiples of 32, and are padded to it.
        expect(total).toBeGreaterThanOrEqual(0.99 * estimateBytes(packed.config, storage));
        expect(total).toBeLessThan(2 * estimateBytes(packed.config, storage));
      }
    },
  );

  test("bfloat16 goes round without loss, widened or kept", async () => {
    using model = await loadOpenElm(published);
    await saveOpenElm(model, join(folder, "a"), { dtype: "bfloat16" });
    const first = await readFile(join(folder, "a/model.safetensors"));
    for (const storage of ["f32", "as-is"] as const) {
      using half = await loadOpenElm(join(folder, "a"), { storage });
      await saveOpenElm(half, join(folder, storage), { dtype: "bfloat16" });
      expect((await readFile(join(folder, storage, "model.safetensors"))).equals(first), storage).toBe(true);
    }
  });

  test("a broken load leaves no tensor behind", async () => {
    await cp(published, folder, { recursive: true });
    const file = await openSafetensors(await fileSource(join(folder, "model.safetensors")));
    await file.close();
    const before = memory();
    const controller = new AbortController();
    const seen: number[] = [];
    const loading = loadOpenElm(folder, {
      signal: controller.signal,
      onProgress: ({ done }) => {
        seen.push(done);
        if (done > 0) controller.abort();
      },
    });
    await expect(loading).rejects.toThrow();
    expect(seen.length).toBeGreaterThan(0);
    expect(memory()).toEqual(before);
  });
});

describe("what contradicts the weights", () => {
  test("is said all at once, with what the widths ask for", async () => {
    const changed = await copyWith({
      num_query_heads: [4, 4, 4, 6],
      num_kv_heads: [2, 2, 2, 3],
      vocab_size: 98,
    });
    const error = await loadOpenElm(changed).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(CheckpointError);
    expect(String(error)).toContain("transformer.token_embeddings.weight is [97,48], expected [98,48]");
    expect(String(error)).toContain(
      "transformer.layers.0.attn.qkv_proj.weight is [64,48], expected [128,48] for 4 query and 2 key-value heads of 16",
    );
    expect(String(error)).toContain("transformer.layers.0.attn.out_proj.weight is [48,32], expected [48,64]");
    expect(String(error)).toContain("Take both files from one model.");
  });

  test("names what is missing and what does not belong", async () => {
    const error = String(
      await loadOpenElm(
        await copyWith({
          num_transformer_layers: 3,
          num_query_heads: [2, 4, 6],
          num_kv_heads: [1, 2, 3],
          ffn_multipliers: [0.5, 0.83, 1.5],
        }),
      ).catch((reason: unknown) => reason),
    );
    expect(error).toContain("transformer.layers.3.attn.qkv_proj.weight is not part of this model");
    const more = String(
      await loadOpenElm(await copyWith({ share_input_output_layers: false })).catch(
        (reason: unknown) => reason,
      ),
    );
    expect(more).toContain("lm_head.weight is missing, expected [97,48]");
  });
});

test("a weight file that was cut short says so", async () => {
  await cp(published, folder, { recursive: true });
  await truncate(join(folder, "model.safetensors"), 100_000);
  await expect(loadOpenElm(folder)).rejects.toThrow(FormatError);
});

test.each(["f32", "f16", "bf16", "int8", "int4", "as-is"] as const)(
  "a weight that is no number is named, loaded as %s from 32 and from 16 bits",
  async (storage) => {
    await useBackend(wasm());
    using model = await loadOpenElm(published);
    const before = memory();
    for (const dtype of ["float32", "float16", "bfloat16"] as const) {
      for (const [name, place] of [
        ["transformer.layers.2.ffn.proj_2.weight", 777],
        ["transformer.norm.weight", 3],
      ] as const) {
        await saveOpenElm(model, folder, { dtype });
        const path = join(folder, "model.safetensors");
        const file = await openSafetensors(await fileSource(path));
        const { offset = 0 } = file.tensors.get(name) ?? {};
        await file.close();
        const bytes = await readFile(path);
        const width = dtype === "float32" ? 4 : 2;
        const infinity = { float32: [0, 0, 0x80, 0xff], float16: [0, 0x7c], bfloat16: [0x81, 0x7f] }[dtype];
        bytes.set(infinity, offset + place * width);
        await writeFile(path, bytes);
        const error = await loadOpenElm(folder, { storage }).catch((reason: unknown) => reason);
        expect(error).toBeInstanceOf(FormatError);
        expect(String(error)).toContain(`element ${place}`);
      }
    }
    expect(memory()).toEqual(before);
  },
);

test("a folder without files, and sources without a config, say what is wanted", async () => {
  await expect(loadOpenElm(folder)).rejects.toThrow("config.json");
  await expect(loadOpenElm([bytesSource(new Uint8Array(9))])).rejects.toThrow(
    "expected config.json among them",
  );
});

test("no config.json, whatever it holds, does more than a CheckpointError", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.dictionary(fc.string(), fc.jsonValue()), (any, fields) => {
      for (const json of [any, fields, { model_type: "openelm", ...fields }]) {
        try {
          parseConfig(json);
        } catch (error) {
          expect(error).toBeInstanceOf(CheckpointError);
        }
      }
    }),
  );
});

test("folders of turned, cut and nested bytes load, or say why not, and leave nothing behind", async () => {
  await useBackend(wasm());
  const files = await Promise.all(
    ["config.json", "model.safetensors"].map((name) => readFile(join(published, name))),
  );
  const [config, weights] = files as [Buffer, Buffer];
  const change = (length: number) => fc.array(fc.tuple(fc.nat(length - 1), fc.nat(255)), { maxLength: 3 });
  const headerLength = 8 + Number(weights.readBigUInt64LE(0));
  const field = fc.constantFrom(...Object.keys(JSON.parse(config.toString())));
  const odd = fc.constantFrom(
    "[".repeat(1e5),
    "1e999",
    "9007199254740993",
    "-1",
    "[]",
    "{}",
    "null",
    '"9"',
    "0.5",
    "true",
  );
  const before = memory();
  await fc.assert(
    fc.asyncProperty(
      change(config.length),
      change(headerLength),
      fc.option(fc.nat(weights.length), { freq: 4 }),
      fc.option(fc.tuple(field, odd), { freq: 2 }),
      async (configChanges, weightChanges, cut, replaced) => {
        let text = Buffer.from(config);
        for (const [at, value] of configChanges) text[at] = value;
        if (replaced) {
          const pattern = new RegExp(`("${replaced[0]}": *)(\\[[^\\]]*\\]|[^,\\n]*)`);
          text = Buffer.from(config.toString().replace(pattern, (_, key) => key + replaced[1]));
        }
        const bytes = Buffer.from(weights.subarray(0, cut ?? weights.length));
        for (const [at, value] of weightChanges) if (at < bytes.length) bytes[at] = value;
        let largest = 0;
        const source = bytesSource(new Uint8Array(bytes), { name: "model.safetensors" });
        const watched = {
          ...source,
          read: (offset: number, length: number) => {
            largest = Math.max(largest, length);
            return source.read(offset, length);
          },
        };
        try {
          using model = await loadOpenElm([
            bytesSource(new Uint8Array(text), { name: "config.json" }),
            watched,
          ]);
          expect(model.config.vocabSize).toBeGreaterThan(0);
        } catch (error) {
          const isNamed =
            error instanceof CheckpointError ||
            error instanceof FormatError ||
            error instanceof OutOfMemoryError;
          if (!isNamed) throw error;
        }
        expect(largest).toBeLessThanOrEqual(Math.max(8, bytes.length));
      },
    ),
    { numRuns: 250 },
  );
  expect(memory()).toEqual(before);
});

test("a model that is too large for the heap is refused before it is read, with what would fit", async () => {
  const bytes = (storage: "f32" | "f16" | "int8" | "int4") => estimateBytes(openElmConfig("3B"), storage);
  expect(bytes("f32") / 1e9).toBeCloseTo(12.1, 0);
  expect(bytes("int8") / bytes("f32")).toBeCloseTo(8.5 / 32, 3);
  await useBackend(wasm());
  expect(() => checkRoom(openElmConfig("3B"), "f32")).toThrow(
    /take 12\.1 GB as f32, expected at most 4\.0 GB .* Load them with \{ storage: "int8" \}: 3\.2 GB\./,
  );
  expect(() => checkRoom(openElmConfig("3B"), "int4")).not.toThrow();
  expect(() => checkRoom(openElmConfig("1.1B"), "f16")).not.toThrow();
});
