import { FormatError } from "@corenet/core";
import {
  bytesSink,
  bytesSource,
  openSafetensors,
  type SafetensorsEntry,
  writeSafetensors,
} from "@corenet/formats";
import { type IntMatrix, type PackedMatrix, packMatrix, tensor } from "@corenet/tensor";
import { expect, test } from "vitest";
import { expectNoLeak, onBackend } from "../../../tools/testing/index.ts";
import { intContainer } from "./int-container.ts";

const container = intContainer();

async function fileOf(entries: readonly SafetensorsEntry[]) {
  const sink = bytesSink();
  await writeSafetensors(sink, entries);
  return openSafetensors(bytesSource(sink.bytes()));
}
async function matrix(format: "int8" | "int4"): Promise<IntMatrix> {
  const dense = tensor(
    Array.from({ length: 3 }, (_, i) => Array.from({ length: 40 }, (_, j) => Math.sin(i * 40 + j))),
  );
  try {
    return (await packMatrix(dense, format)) as IntMatrix;
  } finally {
    dense.dispose();
  }
}

onBackend("wasm", () => {
  test.each(["int8", "int4"] as const)("%s comes back to the bit", async (format) => {
    await expectNoLeak(async () => {
      const packed = await matrix(format);
      const file = await fileOf((await container.entries("a.weight", packed)) ?? []);
      const info = (await container.find(file)).get("a.weight");
      expect(info).toEqual({
        shape: [3, 40],
        entries: ["a.weight.int_shape", "a.weight.int_quants", "a.weight.int_scales"],
        byteLength: 12 + 6 * (format === "int8" ? 34 : 18),
      });
      const back = (await container.read(file, "a.weight")) as IntMatrix;
      expect(await back.toQuantizedRows()).toEqual(await packed.toQuantizedRows());
      for (const one of [packed, back]) one.dispose();
    });
  });

  test("leaves other formats to others", async () => {
    const half: PackedMatrix = await packMatrix(tensor([[1, 2]]), "f16");
    expect(container.entries("a", half)).toBeUndefined();
    half.dispose();
  });

  test("refuses entries that contradict each other, before it reads them", async () => {
    const packed = await matrix("int4");
    const good = (await container.entries("a", packed)) ?? [];
    const shaped = (...numbers: number[]) => [
      { ...(good[0] as SafetensorsEntry), data: Int32Array.from(numbers) },
      ...good.slice(1),
    ];
    await expect(container.find(await fileOf(good.slice(0, 2)))).rejects.toThrow(
      "a has not all of .int_shape",
    );
    for (const numbers of [
      [3, 40, 8],
      [3, 41e6, 4],
      [-3, 40, 4],
      [4, 40, 4],
    ]) {
      const found = container.find(await fileOf(shaped(...numbers)));
      await expect(found).rejects.toThrow(FormatError);
      await expect(found).rejects.toThrow(`says ${numbers[0]} rows, ${numbers[1]} columns`);
    }
    packed.dispose();
  });
});
