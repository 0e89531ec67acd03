import { FormatError } from "@corenet/core";
import {
  bytesSink,
  bytesSource,
  openSafetensors,
  type SafetensorsEntry,
  type TensorFile,
  writeSafetensors,
} from "@corenet/formats";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { loadGolden } from "../../../../tools/testing/index.ts";
import { writeNibbles } from "../codec/block-code.ts";
import { type LfsrConfig, lfsrConfig } from "../codec/config.ts";
import { decodeTensor } from "../codec/decode.ts";
import { blockGrid, emptyPayload, type LfsrLayout, type LfsrTensor } from "../codec/lfsr-tensor.ts";
import { lfsrEntries } from "./lfsr-entries.ts";
import { nanoEntries, readNanoTensor } from "./nano-seed-lm.ts";
import { lfsrTensorNames, readLfsrTensor } from "./read-lfsr-tensor.ts";

async function fileOf(entries: readonly SafetensorsEntry[]): Promise<TensorFile> {
  const sink = bytesSink();
  await writeSafetensors(sink, entries, { order: "given", alignBytes: 64 });
  return openSafetensors(bytesSource(sink.bytes(), { name: "w.safetensors" }));
}

/** Some tensor of a configuration, its codes from a counter. */
function someTensor(
  config: LfsrConfig,
  shape: number[],
  layout: LfsrLayout = "rows",
  expBias = -13,
): LfsrTensor {
  const { blocks } = blockGrid("test", shape, config.C, layout);
  const tensor: LfsrTensor = {
    ...{ config, shape, layout, expBias, sourceDtype: "BF16" },
    ...emptyPayload(blocks, config),
  };
  for (let i = 0; i < blocks; i++) {
    tensor.seeds[i] = 1 + ((i * 7919) % (2 ** config.K - 1));
    const q = Int8Array.from({ length: config.P }, (_, p) => ((((i * 5 + p * 3) % 16) + 16) % 16) - 8);
    writeNibbles(tensor, i, i % 16, q);
  }
  return tensor;
}

describe.each([4, 3] as const)("the goldens, %i bits", async (bits) => {
  const golden = await loadGolden(`lfsr-seed/matrix-${bits}bit`);

  test.each(["matrix", "matrix_paper_window", "ragged_rows", "ragged_flat"])("%s", async (key) => {
    const isEntry = (name: string) => name.startsWith(`output.${key}.lfsr_`);
    const entries = [...golden.tensors]
      .filter(([name]) => isEntry(name))
      .map(([name, { shape, data }]) => ({
        name: name.replace(`output.${key}`, "layers.0.weight"),
        dtype:
          data instanceof Int32Array
            ? ("I32" as const)
            : data instanceof Uint16Array
              ? ("U16" as const)
              : ("U8" as const),
        ...{ shape, data },
      }));
    const file = await fileOf(entries);
    expect(lfsrTensorNames(file)).toEqual(["layers.0.weight"]);
    const tensor = await readLfsrTensor(file, "layers.0.weight");
    expect(decodeTensor(tensor)).toEqual(golden.tensors.get(`output.${key}.weights`)?.data);

    const again = lfsrEntries("layers.0.weight", tensor);
    const byName = (a: SafetensorsEntry, b: SafetensorsEntry) => (a.name < b.name ? -1 : 1);
    expect([...again].sort(byName)).toEqual([...entries].sort(byName));
  });
});

const anyTensor = fc
  .record({
    config: fc.constantFrom(
      ...[3, 4, 4.5].map((bits) => lfsrConfig({ bits: bits as 3 })),
      lfsrConfig({ C: 10, P: 5, K: 20 }),
      lfsrConfig({ C: 4, P: 2, K: 8, decimation: 2 }),
      lfsrConfig({ C: 3, P: 1, K: 2 }),
    ),
    shape: fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 4 }),
    layout: fc.constantFrom<LfsrLayout>("rows", "flat"),
  })
  .map(({ config, shape, layout }) => someTensor(config, shape, layout));

test("writes and reads back, any shape and configuration", async () => {
  await fc.assert(
    fc.asyncProperty(anyTensor, async (tensor) => {
      const file = await fileOf(lfsrEntries("a.b", tensor));
      expect(await readLfsrTensor(file, "a.b")).toEqual(tensor);
    }),
  );
});

describe("a broken container", () => {
  const tensor = someTensor(lfsrConfig({ bits: 4 }), [3, 20]); // 9 blocks
  const even = someTensor(lfsrConfig({ bits: 3 }), [3, 20]); // 6 blocks

  /** The error that reading gives after `breaks` changed the entries. */
  async function errorOf(from: LfsrTensor, breaks: (entries: SafetensorsEntry[]) => unknown) {
    const entries = lfsrEntries("w", structuredClone(from));
    const changed = breaks(entries); // in place, or a new list
    const file = await fileOf(Array.isArray(changed) ? changed : entries);
    return readLfsrTensor(file, "w").then(
      () => undefined,
      (error) => error,
    );
  }
  const numbers = (entries: SafetensorsEntry[], at = 0) => entries[at]?.data as Int32Array;
  const config = (place: number, value: number) => (entries: SafetensorsEntry[]) => {
    numbers(entries)[place] = value;
  };

  test.each([
    ["version", config(0, 2), "is of version 2, expected 1"],
    ["C", config(1, 0), "C is 0 and P is 3"],
    ["P above C", config(2, 9), "C is 8 and P is 9"],
    ["K", config(3, 30), "K is 30, expected an integer in [2, 24]"],
    ["taps", config(4, 3), "taps 0x3 do not visit all 2^16 - 1 states"],
    ["even taps", config(4, 2), "taps is 2, expected an odd bit mask"],
    ["decimation", config(5, 3), "decimation is 3"],
    ["layout", config(6, 2), "has layout 2, expected 0 (flat) or 1 (rows)"],
    ["window", config(7, 113), "expBias is 113, expected an integer in [-111, 112]"],
    ["mantissa", config(8, 5), "has 5-bit coefficients"],
    ["rank", config(10, 5), "has rank 5"],
    ["no rank", config(10, 0), "has rank 0"],
    ["negative size", config(11, -3), "sizes [-3,20,1,1]"],
    ["size beyond the rank", config(13, 2), "sizes [3,20,2,1]"],
    ["source dtype", config(15, 3), "has source dtype 3"],
    ["more rows than blocks", config(11, 2_000_000_000), "lfsr_seeds is U16 [9], expected U16 [6000000000]"],
    ["fewer", config(11, 2), "lfsr_seeds is U16 [9], expected U16 [6]"],
  ])("%s", async (_, breaks, text) => {
    const error = await errorOf(tensor, breaks);
    expect(error).toBeInstanceOf(FormatError);
    expect(error.message).toContain(text);
    expect(error).toMatchObject({ tensor: "w", file: "w.safetensors" });
  });

  test("seeds that no register holds: the block is named", async () => {
    const seed = (value: number) => (entries: SafetensorsEntry[]) => {
      numbers(entries, 1)[7] = value;
    };
    expect((await errorOf(tensor, seed(0))).message).toContain("has seed 0 in block 7, expected 1 to 65535");
    const eight = someTensor(lfsrConfig({ C: 4, P: 2, K: 8 }), [3, 20]);
    expect((await errorOf(eight, seed(256))).message).toContain("has seed 256 in block 7, expected 1 to 255");
  });

  test("entries that are missing, of another type or size, or hold too much", async () => {
    const without = (at: number) => (entries: SafetensorsEntry[]) => entries.filter((_, i) => i !== at);
    expect((await errorOf(tensor, without(1))).message).toContain("lfsr_seeds is missing, expected U16 [9]");
    expect((await errorOf(tensor, without(2))).message).toContain("lfsr_words is missing, expected U8 [9,2]");
    expect((await errorOf(even, without(3))).message).toContain("lfsr_exponents is missing, expected U8 [3]");
    const short = (entries: SafetensorsEntry[]) =>
      entries.map((entry, i) =>
        i === 0 ? { ...entry, shape: [15], data: numbers(entries).slice(1) } : entry,
      );
    expect((await errorOf(tensor, short)).message).toContain("lfsr_config is I32 [15], expected I32 [16]");
    const odd = someTensor(lfsrConfig({ bits: 3 }), [1, 36]); // 3 blocks
    const spill = (entries: SafetensorsEntry[]) => {
      numbers(entries, 3)[1] = 0x53;
    };
    expect((await errorOf(odd, spill)).message).toContain("has an exponent after its last block, 2");
  });

  test("exponents that decode to infinity", async () => {
    const top = someTensor(lfsrConfig({ bits: 4 }), [3, 20], "rows", 112);
    const words = (low: number, high: number) => (entries: SafetensorsEntry[]) => {
      for (let i = 0; i < 18; i += 2) numbers(entries, 2).set([low, high], i);
    };
    const { message } = await errorOf(top, words(0x8f, 0x88)); // all coefficients -8, times 2^127
    expect(message).toContain("decodes to infinity in block 0, expected finite weights");
    expect(await errorOf(top, words(0x1b, 0x11))).toBeUndefined(); // 1, times 2^123
  });

  test("a name that is not there tells which are", async () => {
    const file = await fileOf(lfsrEntries("w", tensor));
    await expect(readLfsrTensor(file, "v")).rejects.toThrow(
      'no compressed tensor "v", expected one of 1, such as w',
    );
  });

  test("bytes turned at random: a FormatError, or a tensor that decodes", async () => {
    const sink = bytesSink();
    await writeSafetensors(sink, [...lfsrEntries("w", tensor), ...lfsrEntries("v", even)]);
    const good = sink.bytes();
    const change = fc.record({ at: fc.nat(good.length - 1), to: fc.nat(255) });
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), fc.nat(60), async (changes, cut) => {
        const bytes = good.slice(0, good.length - Math.max(0, cut - 50));
        for (const { at, to } of changes) if (at < bytes.length) bytes[at] = to;
        try {
          const file = await openSafetensors(bytesSource(bytes));
          for (const name of lfsrTensorNames(file)) {
            const read = await readLfsrTensor(file, name);
            const size = read.shape.reduce((product, n) => product * n, 1);
            expect(size).toBeLessThanOrEqual(read.seeds.length * read.config.C);
            expect(decodeTensor(read).every(Number.isFinite)).toBe(true);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe("NanoSeedLM", () => {
  test.each([4, 4.5] as const)("%d bits: experts go there and come back", async (bits) => {
    const experts = [-20, -13, -7].map((bias) => someTensor(lfsrConfig({ bits }), [6, 32], "rows", bias));
    const entries = nanoEntries("model.layers.3.mlp.experts.gate_proj", experts);
    const shapes = Object.fromEntries(
      entries.map(({ name, shape, dtype }) => [name.split(".").at(-1), [dtype, ...shape]]),
    );
    expect(shapes).toEqual({
      seeds: ["U16", 3, 6, 4],
      [bits === 4 ? "nibbles" : "coefs"]: ["U16", 3, 6, 4],
      exp_bias: ["I32", 3],
      ...(bits === 4 ? {} : { codes: ["U8", 3, 6, 2] }),
    });
    expect(await readNanoTensor(await fileOf(entries), "model.layers.3.mlp.experts.gate_proj")).toEqual(
      experts,
    );
  });

  test("a nibble word is code | q0 << 4 | q1 << 8 | q2 << 12", async () => {
    const tensor = someTensor(lfsrConfig({ bits: 4 }), [1, 8]);
    tensor.codes.fill(0);
    writeNibbles(tensor, 0, 5, Int8Array.of(-1, 2, -8));
    const words = nanoEntries("w", [tensor])[1]?.data as Uint16Array;
    expect(words[0]).toBe(5 | (15 << 4) | (2 << 8) | (8 << 12));
  });

  test("says what does not fit", async () => {
    const four = someTensor(lfsrConfig({ bits: 4 }), [2, 12]);
    expect(() => nanoEntries("w", [four])).toThrow(
      "expected one or more of one shape [rows, columns], columns a multiple of 8",
    );
    expect(() => nanoEntries("w", [])).toThrow("w has 0 slices");
    expect(() => nanoEntries("w", [someTensor(lfsrConfig({ bits: 3 }), [2, 24])])).toThrow("(12, 4, 16)");
    const entries = nanoEntries("w", [someTensor(lfsrConfig({ bits: 4 }), [2, 16])]);
    await expect(readNanoTensor(await fileOf(entries.slice(0, 2)), "w")).rejects.toThrow(
      "exp_bias is missing",
    );
    (entries[0]?.data as Uint16Array)[3] = 0;
    await expect(readNanoTensor(await fileOf(entries), "w")).rejects.toThrow("has seed 0 in block 3");
    await expect(readNanoTensor(await fileOf([]), "w")).rejects.toThrow(FormatError);
  });
});
