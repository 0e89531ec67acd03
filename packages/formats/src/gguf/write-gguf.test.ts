import { quantizeRows } from "@corenet/core/quantize";
import { gguf } from "@huggingface/gguf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { bytesSink } from "../bytes-sink.ts";
import { toGgufBlocks } from "./gguf-blocks.ts";
import type { GgufDtype } from "./gguf-dtype.ts";
import type { GgufMetadata } from "./gguf-metadata.ts";
import { type GgufEntry, ggufByteLength, writeGguf } from "./write-gguf.ts";

async function written(
  metadata: GgufMetadata,
  entries: readonly GgufEntry[],
): Promise<Uint8Array<ArrayBuffer>> {
  const sink = bytesSink();
  const size = await writeGguf(sink, metadata, entries);
  const bytes = sink.bytes() as Uint8Array<ArrayBuffer>;
  expect(bytes.length).toBe(size);
  return bytes;
}

/** What another reader of the format sees. */
async function readBack(bytes: Uint8Array<ArrayBuffer>) {
  return gguf("https://localhost/model.gguf", { fetch: async () => new Response(bytes) });
}

test("another reader sees the keys, each with its type, and the tensors, each at a multiple of 32", async () => {
  const bytes = await written(
    {
      "general.architecture": "llama",
      "a.count": { type: "u32", value: 2 ** 32 - 1 },
      "a.shift": { type: "i32", value: -3 },
      "a.long": { type: "u64", value: 2 ** 40 },
      "a.eps": { type: "f32", value: 0.5 },
      "a.flag": true,
      "a.words": ["▁", "", "z"],
      "a.counts": Int32Array.of(1, -2),
      "a.scores": Float32Array.of(0.25),
    },
    [
      { name: "x", dtype: "F32", shape: [3], data: Float32Array.of(1, 2, 3) },
      { name: "y", dtype: "F16", shape: [2, 3], data: async () => new Uint16Array(6).fill(7) },
    ],
  );
  const { metadata, tensorInfos, tensorDataOffset } = await readBack(bytes);
  expect(metadata).toMatchObject({
    version: 3,
    "a.count": 2 ** 32 - 1,
    "a.shift": -3,
    "a.long": 2n ** 40n,
    "a.eps": 0.5,
    "a.flag": true,
    "a.words": ["▁", "", "z"],
    "a.counts": [1, -2],
    "a.scores": [0.25],
  });
  expect(tensorInfos).toMatchObject([
    { name: "x", dtype: 0, shape: [3n], offset: 0n },
    { name: "y", dtype: 1, shape: [3n, 2n], offset: 32n },
  ]);
  const start = Number(tensorDataOffset);
  expect(start % 32).toBe(0);
  expect([...new Float32Array(bytes.slice(start, start + 12).buffer)]).toEqual([1, 2, 3]);
  expect([...bytes.slice(start + 32, start + 34)]).toEqual([7, 0]);
  expect(bytes.length).toBe(start + 64);
});

test("blocks have the scale in front", () => {
  const values = new Float32Array(64).fill(0);
  values[0] = 127;
  values[32] = -254;
  const blocks = toGgufBlocks(quantizeRows(values, { rows: 2, columns: 32, format: "int8" }));
  expect([...blocks.slice(0, 4)]).toEqual([0x00, 0x3c, 127, 0]);
  expect([...blocks.slice(34, 38)]).toEqual([0x00, 0x40, 0x81, 0]);
  const four = toGgufBlocks(quantizeRows(values, { rows: 2, columns: 32, format: "int4" }));
  expect(four.length).toBe(36);
  expect(() => toGgufBlocks(quantizeRows(values, { rows: 4, columns: 16, format: "int4" }))).toThrow(
    "rows have 16 columns, expected a multiple of 32",
  );
});

test("says what does not fit, and leaves nothing behind", async () => {
  const x: GgufEntry = { name: "x", dtype: "F32", shape: [2], data: new Float32Array(2) };
  const refused = async (entries: readonly GgufEntry[], metadata: GgufMetadata = {}) => {
    const sink = bytesSink();
    const error = await writeGguf(sink, metadata, entries).catch((reason: unknown) => reason);
    expect(() => sink.bytes()).toThrow("is aborted");
    return String(error);
  };
  expect(await refused([x, x])).toContain('two tensors are named "x"');
  expect(await refused([{ ...x, data: new Float32Array(3) }])).toContain("came with 12 bytes, expected 8");
  expect(await refused([{ ...x, shape: [2, 0] }])).toContain("has shape [2,0]");
  expect(await refused([{ ...x, dtype: "Q4_0", shape: [2, 33] }])).toContain(
    "rows of 33, expected a multiple of 32",
  );
  expect(await refused([x], { "a.b": { type: "u32", value: -1 } })).toContain(
    "a.b is -1, expected an integer from 0",
  );
});

test("whatever keys and tensors there are, another reader finds them all, or a RangeError says what cannot be", async () => {
  const number = fc.oneof(fc.integer(), fc.constantFrom(-1, 0.5, 2 ** 32, 2 ** 53, Number.NaN, Infinity));
  const value = fc.oneof(
    fc.string({ unit: "grapheme" }),
    fc.boolean(),
    fc.record({ type: fc.constantFrom("u32", "i32", "u64", "f32"), value: number }),
    fc.array(fc.string({ unit: "grapheme" }), { minLength: 1, maxLength: 3 }),
    fc.int32Array({ minLength: 1, maxLength: 4 }),
    fc.float32Array({ minLength: 1, maxLength: 4, noNaN: true }),
  );
  const key = fc.string({ minLength: 1 }).map((text) => `a.${text}`);
  const side = fc.oneof(
    { weight: 9, arbitrary: fc.integer({ min: 1, max: 64 }) },
    fc.constantFrom(0, -1, 0.5, 2 ** 60),
  );
  const tensor = fc.record({
    name: fc.string({ minLength: 1, maxLength: 3 }),
    dtype: fc.constantFrom<GgufDtype>("F32", "F16", "Q8_0"),
    shape: fc.array(side, { minLength: 1, maxLength: 2 }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.dictionary(key, value, { maxKeys: 5 }),
      fc.array(tensor, { maxLength: 4 }),
      async (keys, tensors) => {
        const metadata = { "general.architecture": "a", ...keys } as GgufMetadata;
        const entries = tensors.map((entry) => ({
          ...entry,
          data: () => new Uint8Array(ggufByteLength(entry)).fill(7),
        }));
        let bytes: Uint8Array<ArrayBuffer>;
        try {
          bytes = await written(metadata, entries);
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
          return;
        }
        const back = await readBack(bytes);
        expect(Object.keys(back.metadata)).toEqual(expect.arrayContaining(Object.keys(metadata)));
        expect(back.tensorInfos.map(({ name, shape }) => [name, shape.map(Number).reverse()])).toEqual(
          entries.map(({ name, shape }) => [name, [...shape]]),
        );
        const end = back.tensorInfos.at(-1);
        if (end) expect(Number(back.tensorDataOffset + end.offset)).toBeLessThan(bytes.length);
      },
    ),
    { numRuns: 300 },
  );
});
