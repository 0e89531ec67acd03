import { readdir, readFile } from "node:fs/promises";
import { FormatError, yieldToEventLoop } from "@corenet/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ByteSource } from "./byte-source.ts";
import { bytesSink } from "./bytes-sink.ts";
import { bytesSource } from "./bytes-source.ts";
import { arrayOf, type Dtype, dtypes } from "./dtype.ts";
import { fileSource } from "./file-source.ts";
import { openSafetensors } from "./open-safetensors.ts";
import { toFloat32 } from "./to-float32.ts";
import { type SafetensorsEntry, writeSafetensors } from "./write-safetensors.ts";

/** A file from a header, as text or JSON, and so many bytes of data. */
function fileOf(header: unknown, dataBytes = 0): Uint8Array {
  const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const file = new Uint8Array(8 + text.length + dataBytes);
  new DataView(file.buffer).setBigUint64(0, BigInt(text.length), true);
  file.set(text, 8);
  return file;
}

/** A source that notes the largest read that was asked of it. */
function watched(bytes: Uint8Array): { source: ByteSource; largest: () => number; closed: () => boolean } {
  const inner = bytesSource(bytes, { name: "w.safetensors" });
  let largest = 0;
  let closed = false;
  return {
    source: {
      ...inner,
      read(offset, length, options) {
        largest = Math.max(largest, length);
        return inner.read(offset, length, options);
      },
      close() {
        closed = true;
        return inner.close();
      },
    },
    largest: () => largest,
    closed: () => closed,
  };
}

const open = (bytes: Uint8Array) => openSafetensors(bytesSource(bytes, { name: "w.safetensors" }));
const f32 = (shape: number[], begin: number, end: number) => ({
  dtype: "F32",
  shape,
  data_offsets: [begin, end],
});

async function written(entries: SafetensorsEntry[], metadata?: Record<string, string>): Promise<Uint8Array> {
  const sink = bytesSink();
  const size = await writeSafetensors(sink, entries, { metadata });
  expect(sink.bytes().length).toBe(size);
  return sink.bytes();
}

describe("files of the reference", async () => {
  const folder = new URL("../../../golden/openelm/", import.meta.url);
  const names = (await readdir(folder)).filter((name) => name.endsWith(".safetensors"));

  test("are there", () => expect(names.length).toBeGreaterThanOrEqual(6));

  test.each([...names, "tiny-hf/model.safetensors"])(
    "%s reads, and writes back byte for byte",
    async (name) => {
      const path = new URL(name, folder).pathname;
      const file = await openSafetensors(await fileSource(path));
      const entries: SafetensorsEntry[] = [];
      for (const [tensor, { dtype, shape }] of file.tensors) {
        entries.push({ name: tensor, dtype, shape, data: () => file.read(tensor) });
      }
      const bytes = await written(entries.reverse(), Object.fromEntries(file.metadata));
      expect(Buffer.compare(bytes, await readFile(path))).toBe(0);
      await file.close();
    },
  );

  test("hold the numbers of the model", async () => {
    const file = await openSafetensors(
      await fileSource(new URL("tiny-hf/model.safetensors", folder).pathname),
    );
    expect(file.metadata).toEqual(new Map([["format", "pt"]]));
    const info = file.tensors.get("transformer.layers.0.attn.out_proj.weight");
    expect(info).toMatchObject({ dtype: "F32", shape: [48, 32], byteLength: 6144 });
    const weight = toFloat32("F32", await file.read("transformer.layers.0.attn.out_proj.weight"));
    expect(weight).toHaveLength(48 * 32);
    expect(weight.every((value) => Math.abs(value) < 10)).toBe(true);
    expect(new Set(weight).size).toBeGreaterThan(1000);
    await file.close();
  });
});

describe("reading", () => {
  test("gives each tensor a buffer of its own, aligned, whatever its place in the file", async () => {
    const header = { a: { dtype: "U8", shape: [3], data_offsets: [0, 3] }, b: f32([2], 3, 11) };
    const bytes = fileOf(header, 11);
    new DataView(bytes.buffer).setFloat32(bytes.length - 4, 1.5, true);
    const file = await open(bytes);
    const data = await file.read("b");
    expect(data).toEqual(new Float32Array([0, 1.5]));
    expect(data.byteOffset).toBe(0);
    expect(data.buffer.byteLength).toBe(8);
  });

  test("readInto fills a part of a larger memory, shared memory too", async () => {
    const file = await open(
      await written([{ name: "w", dtype: "I32", shape: [2], data: Int32Array.of(7, -7) }]),
    );
    const heap = new SharedArrayBuffer(32);
    await file.readInto("w", new Uint8Array(heap, 16, 8));
    expect([...new Int32Array(heap)]).toEqual([0, 0, 0, 0, 7, -7, 0, 0]);
    await expect(file.readInto("w", new Uint8Array(7))).rejects.toThrow("target has 7 bytes, expected 8");
  });

  test("an unknown name tells which are near", async () => {
    const file = await open(fileOf({ "layer.0.weight": f32([1], 0, 4) }, 4));
    await expect(file.read("layer.1.weight")).rejects.toThrow(
      'no tensor "layer.1.weight", expected one of its 1',
    );
    await expect(file.read("layer.1.weight")).rejects.toThrow("layer.0.weight");
  });

  test("stops when aborted, and closes", async () => {
    const signal = AbortSignal.abort(new Error("stop"));
    const { source, closed } = watched(fileOf({}));
    await expect(openSafetensors(source, { signal })).rejects.toThrow("stop");
    expect(closed()).toBe(true);
    const file = await open(fileOf({ w: f32([1], 0, 4) }, 4));
    await expect(file.read("w", { signal })).rejects.toThrow("stop");
    await file.close();
    await expect(file.read("w")).rejects.toThrow("was closed before this read");
  });

  test("names cannot reach a prototype", async () => {
    const file = await open(
      fileOf(
        '{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"__metadata__":{"__proto__":"x"}}',
        1,
      ),
    );
    expect([...file.tensors.keys()]).toEqual(["__proto__"]);
    expect(file.metadata.get("__proto__")).toBe("x");
    expect(await file.read("__proto__")).toEqual(Uint8Array.of(0));
    expect(Reflect.get({}, "dtype")).toBeUndefined();
    await expect(
      open(fileOf('{"w":{"__proto__":{"dtype":"U8","shape":[],"data_offsets":[0,1]}}}', 1)),
    ).rejects.toThrow("has dtype missing");
  });

  test("empty files, scalars and empty tensors are tensors", async () => {
    expect((await open(fileOf({}))).tensors.size).toBe(0);
    const file = await open(fileOf({ none: f32([0, 9], 4, 4), one: f32([], 0, 4) }, 4));
    expect(await file.read("none")).toEqual(new Float32Array(0));
    expect(await file.read("one")).toEqual(new Float32Array(1));
  });
});

describe("a broken file", () => {
  const good = fileOf({ w: f32([2], 0, 8) }, 8);
  const withLength = (length: bigint) => {
    const bytes = good.slice();
    new DataView(bytes.buffer).setBigUint64(0, length, true);
    return bytes;
  };
  const notText = fileOf({ w: f32([2], 0, 8) }, 8);
  notText[10] = 0xff;
  const cases: [string, Uint8Array, string][] = [
    ["nothing", new Uint8Array(0), "has 0 bytes, expected at least 8"],
    ["seven bytes", new Uint8Array(7), "has 7 bytes, expected at least 8"],
    [
      "a huge header",
      withLength(2n ** 63n),
      "header length of 9223372036854775808, expected at most 100000000",
    ],
    ["a header beyond the end", withLength(90n), "The file is cut short; download it again."],
    ["an empty header", withLength(0n), "begins with byte none, expected 123"],
    ["a header that is a list", fileOf("[]"), "begins with byte 91"],
    ["a blank before the header", fileOf(" {}"), "begins with byte 32"],
    ["a byte order mark", fileOf("\ufeff{}"), "begins with byte 239"],
    ["bytes that are no text", notText, "is not UTF-8"],
    ["half of a JSON", fileOf('{"w":'), "is not JSON"],
    ["a name twice", fileOf('{"w":1,"w":2}'), 'has the key "w" twice'],
    ["a name twice, once escaped", fileOf('{"w":1,"\\u0077":2}'), 'has the key "w" twice'],
    ["a field twice", fileOf('{"w":{"dtype":"U8","dtype" : "U8"}}'), 'the key "dtype" twice'],
    ["metadata twice", fileOf('{"__metadata__":{},"__metadata__":{}}'), 'key "__metadata__" twice'],
    ["metadata of numbers", fileOf({ __metadata__: { a: 1 } }), 'has 1 as __metadata__ "a"'],
    ["metadata as a list", fileOf({ __metadata__: [] }), "__metadata__ that is []"],
    ["an entry that is a number", fileOf({ w: 3 }), 'tensor "w" of w.safetensors is 3'],
    ["no dtype", fileOf({ w: {} }), "has dtype missing"],
    ["an unknown dtype", fileOf({ w: { ...f32([2], 0, 8), dtype: "F8_E4M3" } }, 8), 'has dtype "F8_E4M3"'],
    [
      "a dtype of the prototype",
      fileOf({ w: { ...f32([2], 0, 8), dtype: "toString" } }, 8),
      'dtype "toString"',
    ],
    ["a negative size", fileOf({ w: f32([-2], 0, 8) }, 8), "has shape [-2]"],
    ["a fractional size", fileOf({ w: f32([0.5], 0, 8) }, 8), "has shape [0.5]"],
    [
      "a size beyond 2^53",
      fileOf('{"w":{"dtype":"U8","shape":[9007199254740993],"data_offsets":[0,8]}}', 8),
      "shape [9",
    ],
    ["a product beyond 2^53", fileOf({ w: f32([2 ** 30, 2 ** 30], 0, 8) }, 8), "expected fewer than 2^53"],
    ["a shape that is a string", fileOf({ w: { ...f32([], 0, 8), shape: "2" } }, 8), 'has shape "2"'],
    ["one offset", fileOf({ w: { ...f32([2], 0, 8), data_offsets: [0] } }, 8), "has data_offsets [0]"],
    ["offsets the wrong way", fileOf({ w: f32([2], 8, 0) }, 8), "has data_offsets [8,0]"],
    [
      "infinite offsets",
      fileOf('{"w":{"dtype":"U8","shape":[],"data_offsets":[0,1e999]}}', 8),
      "data_offsets [0,null]",
    ],
    ["too few bytes for the shape", fileOf({ w: f32([3], 0, 8) }, 8), "has 8 bytes, expected 12"],
    ["data cut short", good.slice(0, -1), "The file is cut short; download it again."],
    ["data too long", fileOf({ w: f32([2], 0, 8) }, 9), "Extra bytes follow"],
    ["a hole", fileOf({ a: f32([1], 0, 4), b: f32([1], 8, 12) }, 12), "leaves a hole before it"],
    ["a hole at the start", fileOf({ a: f32([1], 4, 8) }, 8), "leaves a hole before it"],
    ["an overlap", fileOf({ a: f32([2], 0, 8), b: f32([2], 4, 12) }, 12), "overlaps the one before"],
    ["the same bytes twice", fileOf({ a: f32([1], 0, 4), b: f32([1], 0, 4) }, 4), "overlaps the one before"],
  ];

  test.each(cases)("%s", async (_, bytes, message) => {
    const { source, largest, closed } = watched(bytes);
    const error = await openSafetensors(source).catch((error) => error);
    expect(error).toBeInstanceOf(FormatError);
    expect(error.file).toBe("w.safetensors");
    expect(error.message).toContain(message);
    expect(largest()).toBeLessThanOrEqual(Math.max(8, bytes.length));
    expect(closed()).toBe(true);
  });

  test("names the tensor at fault", async () => {
    await expect(open(fileOf({ "layers.3.w": f32([3], 0, 8) }, 8))).rejects.toMatchObject({
      tensor: "layers.3.w",
    });
  });

  test("bytes turned at random give a FormatError or a file that holds together", async () => {
    const base = await written(
      [
        { name: "a", dtype: "F32", shape: [2, 3], data: new Float32Array(6) },
        { name: "b", dtype: "BF16", shape: [4], data: new Uint16Array(4) },
        { name: "c", dtype: "BOOL", shape: [1], data: new Uint8Array(1) },
      ],
      { format: "pt" },
    );
    const change = fc.tuple(fc.nat(base.length - 1), fc.nat(255));
    await fc.assert(
      fc.asyncProperty(
        fc.array(change, { maxLength: 4 }),
        fc.nat(base.length),
        fc.nat(9),
        async (changes, cut, more) => {
          const bytes = new Uint8Array(cut % 3 === 0 ? cut : base.length + (cut % 3 === 1 ? more : 0));
          bytes.set(base.subarray(0, bytes.length));
          for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
          await expectSound(bytes);
        },
      ),
      { numRuns: 1500 },
    );
  });

  test("headers made at random give a FormatError or a file that holds together", async () => {
    const size = fc.oneof(
      fc.nat(12),
      fc.constantFrom(-1, 0.5, 2 ** 31, 2 ** 53, 2 ** 53 - 1, 1e300, "4", null, -0),
    );
    const entry = fc.record(
      {
        dtype: fc.oneof(fc.constantFrom(...dtypes), fc.constantFrom("F4", "", null, 3)),
        shape: fc.oneof(fc.array(size, { maxLength: 3 }), size),
        data_offsets: fc.oneof(fc.tuple(size, size), fc.array(size, { maxLength: 3 })),
      },
      { requiredKeys: [] },
    );
    const name = fc.oneof(fc.constantFrom("a", "b", "__metadata__", "__proto__", "constructor"), fc.string());
    const header = fc.oneof(fc.dictionary(name, fc.oneof(entry, fc.jsonValue())), fc.jsonValue());
    await fc.assert(
      fc.asyncProperty(header, fc.nat(24), (header, dataBytes) => expectSound(fileOf(header, dataBytes))),
      { numRuns: 1500 },
    );
  });

  /** Opening gives a FormatError, or tensors that all read and fill the file. Nothing larger than it is asked for. */
  async function expectSound(bytes: Uint8Array): Promise<void> {
    const { source, largest } = watched(bytes);
    try {
      const file = await openSafetensors(source);
      let total = 0;
      for (const [name, info] of file.tensors) {
        const data = await file.read(name);
        expect(data.byteLength).toBe(info.byteLength);
        expect(data).toHaveLength(info.shape.reduce((product, size) => product * size, 1));
        total += data.byteLength;
      }
      expect(total).toBeLessThanOrEqual(bytes.length);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
    }
    expect(largest()).toBeLessThanOrEqual(Math.max(8, bytes.length));
  }
});

describe("writing", () => {
  const tensor = fc
    .record({
      name: fc.string({ unit: "grapheme" }).filter((name) => name !== "__metadata__" && name.isWellFormed()),
      dtype: fc.constantFrom(...(dtypes as Dtype[])),
      shape: fc.array(fc.nat(4), { maxLength: 3 }),
      seed: fc.nat(255),
    })
    .map(({ name, dtype, shape, seed }): SafetensorsEntry => {
      const array = arrayOf(dtype);
      const elements = shape.reduce((product, size) => product * size, 1);
      const bytes = Uint8Array.from({ length: elements * array.BYTES_PER_ELEMENT }, (_, i) => seed + 31 * i);
      return { name, dtype, shape, data: new array(bytes.buffer) };
    });

  test("reads back byte for byte, in any order of entries", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(tensor, { selector: ({ name }) => name, maxLength: 6 }),
        fc.dictionary(fc.string(), fc.string()),
        async (entries, metadata) => {
          const bytes = await written(entries, metadata);
          expect(await written([...entries].reverse(), metadata)).toEqual(bytes);
          const file = await open(bytes);
          expect(new Map(file.metadata)).toEqual(new Map(Object.entries(metadata)));
          expect(file.tensors.size).toBe(entries.length);
          for (const { name, dtype, shape, data } of entries) {
            expect(file.tensors.get(name)).toMatchObject({ dtype, shape });
            const seen = await file.read(name);
            expect(new Uint8Array(seen.buffer)).toEqual(new Uint8Array((data as Uint8Array).buffer));
            expect((file.tensors.get(name)?.offset ?? 1) % seen.BYTES_PER_ELEMENT).toBe(0);
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  test("makes each tensor when its turn comes, one at a time, and writes only its part of a buffer", async () => {
    const events: string[] = [];
    const sink = bytesSink();
    const make = (name: string) => async () => {
      events.push(name);
      await Promise.resolve();
      return Float32Array.of(9, 1, 2, 9).subarray(1, 3);
    };
    const noting = {
      ...sink,
      async write(chunk: Uint8Array) {
        events.push(`${chunk.length} bytes`);
        await sink.write(chunk);
      },
    };
    const progress: number[] = [];
    const size = await writeSafetensors(
      noting,
      [
        { name: "b", dtype: "F32", shape: [2], data: make("b") },
        { name: "a", dtype: "F32", shape: [2], data: make("a") },
      ],
      { onProgress: ({ done }) => progress.push(done) },
    );
    expect(events).toEqual([expect.stringMatching(/bytes$/), "a", "8 bytes", "b", "8 bytes"]);
    expect(progress.at(-1)).toBe(size);
    const file = await open(sink.bytes());
    expect(await file.read("b")).toEqual(Float32Array.of(1, 2));
  });

  const entry: SafetensorsEntry = { name: "w", dtype: "F32", shape: [2], data: new Float32Array(2) };
  test.each<[string, SafetensorsEntry[], string]>([
    ["a name twice", [entry, entry], 'two tensors are named "w"'],
    ["the reserved name", [{ ...entry, name: "__metadata__" }], "is named"],
    ["half a character", [{ ...entry, name: "\ud800" }], "whole Unicode text"],
    ["an unknown dtype", [{ ...entry, dtype: "F8" as Dtype }], "has dtype F8"],
    ["a negative size", [{ ...entry, shape: [-2] }], "has shape [-2]"],
    ["too many elements", [{ ...entry, shape: [1] }], "came with 2 elements, expected 1"],
    [
      "another array",
      [{ ...entry, data: new Int32Array(2) }],
      "of F32 came as Int32Array, expected Float32Array",
    ],
    ["a late wrong array", [{ ...entry, data: async () => new Float64Array(2) }], "came as Float64Array"],
    ["a maker that fails", [{ ...entry, data: () => Promise.reject(new RangeError("lost")) }], "lost"],
  ])("refuses %s and aborts the sink", async (_, entries, message) => {
    const sink = bytesSink();
    await expect(writeSafetensors(sink, entries)).rejects.toThrow(message);
    expect(() => sink.bytes()).toThrow("aborted");
  });

  test("keeps the order given, and begins where a map of the file wants it", async () => {
    const entries: SafetensorsEntry[] = [
      { name: "small", dtype: "U8", shape: [3], data: Uint8Array.of(1, 2, 3) },
      { name: "large", dtype: "F32", shape: [1], data: Float32Array.of(4) },
    ];
    for (const alignBytes of [8, 64, 4096]) {
      const sink = bytesSink();
      await writeSafetensors(sink, entries, { order: "given", alignBytes });
      const file = await openSafetensors(bytesSource(sink.bytes()));
      expect([...file.tensors.keys()]).toEqual(["small", "large"]);
      expect((file.tensors.get("small")?.offset ?? 1) % alignBytes).toBe(0);
      expect([...(await file.read("large"))]).toEqual([4]);
    }
    await expect(writeSafetensors(bytesSink(), entries, { alignBytes: 12 })).rejects.toThrow(
      "alignBytes is 12, expected a multiple of 8",
    );
  });

  test("an abort between two tensors leaves nothing", async () => {
    const controller = new AbortController();
    const sink = bytesSink();
    const data = () => {
      controller.abort(new Error("stop"));
      return new Float32Array(2);
    };
    const options = { signal: controller.signal };
    await expect(writeSafetensors(sink, [{ ...entry, data }], options)).rejects.toThrow("stop");
    expect(() => sink.bytes()).toThrow("aborted");
    await expect(writeSafetensors(bytesSink(), [], options)).rejects.toThrow("stop");
  });
});

test("gives a tensor in pieces that add up to it", async () => {
  const values = Float32Array.from({ length: 3_000_001 }, (_, i) => i);
  const sink = bytesSink();
  await writeSafetensors(sink, [{ name: "x", dtype: "F32", shape: [values.length], data: values }]);
  const file = await openSafetensors(bytesSource(sink.bytes()));
  const lengths: number[] = [];
  const whole = new Uint8Array(values.byteLength);
  for await (const piece of file.pieces("x")) {
    whole.set(
      piece,
      lengths.reduce((sum, length) => sum + length, 0),
    );
    lengths.push(piece.length);
  }
  expect(lengths).toEqual([...new Array(5).fill(2097152), values.byteLength - 5 * 2097152]);
  expect(new Float32Array(whole.buffer)).toEqual(values);
});

test("reads one piece ahead, into another buffer, and forgives who leaves while a read fails", async () => {
  const sink = bytesSink();
  const data = new Uint8Array(5 * 2 ** 20).map((_, i) => i >> 21);
  await writeSafetensors(sink, [{ name: "x", dtype: "U8", shape: [data.length], data }]);
  const source = bytesSource(sink.bytes());
  const asked: number[] = [];
  let isBroken = false;
  const file = await openSafetensors({
    ...source,
    async readInto(offset, target, options) {
      asked.push(offset);
      if (isBroken && asked.length > 1) throw new Error("the disk is gone");
      return source.readInto(offset, target, options);
    },
  });
  asked.length = 0;
  let pieces = 0;
  for await (const piece of file.pieces("x")) {
    expect(asked).toHaveLength(Math.min(pieces + 2, 3));
    await yieldToEventLoop(); // the next read fills its buffer
    expect(new Set(piece)).toEqual(new Set([pieces]));
    pieces += 1;
  }
  expect(pieces).toBe(3);

  isBroken = true;
  asked.length = 0;
  for await (const piece of file.pieces("x")) if (piece.length > 0) break;
  await yieldToEventLoop();
  asked.length = 0;
  const all = async () => {
    for await (const piece of file.pieces("x")) expect(new Set(piece)).toEqual(new Set([0]));
  };
  await expect(all()).rejects.toThrow("the disk is gone");
});
