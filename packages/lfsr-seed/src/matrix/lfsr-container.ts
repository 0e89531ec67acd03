import type { PackedContainer, PackedInfo } from "@corenet/formats";
import type { PackedMatrix } from "@corenet/tensor";
import { parseConfigTensor } from "../container/config-tensor.ts";
import { lfsrEntries, suffixes } from "../container/lfsr-entries.ts";
import { lfsrTensorNames, readLfsrTensor } from "../container/read-lfsr-tensor.ts";
import { LfsrMatrix, type LfsrMatrixOptions } from "./lfsr-matrix.ts";

/**
 * How models load and save matrices that `compressCheckpoint` wrote: they stay packed, and are saved as the bytes that
 * they were.
 *
 * @param options - for the matrices that are loaded
 * @example using model = await loadOpenElm(folder, { packed: [lfsrContainer()] });
 */
export function lfsrContainer(options: LfsrMatrixOptions = {}): PackedContainer<PackedMatrix> {
  return {
    format: "lfsr",
    async find(file, readOptions) {
      const found = new Map<string, PackedInfo>();
      for (const name of lfsrTensorNames(file)) {
        const entries = Object.values(suffixes)
          .map((suffix) => name + suffix)
          .filter((entry) => file.tensors.has(entry));
        const byteLength = entries.reduce(
          (sum, entry) => sum + (file.tensors.get(entry)?.byteLength ?? 0),
          0,
        );
        const numbers = await file.read(name + suffixes.config, readOptions);
        const source = file.tensors.get(name + suffixes.config)?.file ?? "";
        const { shape } = parseConfigTensor(Int32Array.from(numbers as ArrayLike<number>), source, name);
        found.set(name, { shape, entries, byteLength });
      }
      return found;
    },
    async read(file, name, readOptions) {
      const codes = await readLfsrTensor(file, name, readOptions);
      const matrix = await LfsrMatrix.create(codes, options);
      for (const { buffer } of [codes.seeds, codes.codes, codes.exponents]) release(buffer);
      return matrix;
    },
    entries(name, matrix) {
      return matrix instanceof LfsrMatrix ? entriesOf(name, matrix) : undefined;
    },
  };
}

/** Gives memory back at once: a model loads faster than the garbage collector looks. */
function release(buffer: ArrayBuffer): void {
  buffer.transfer(0);
}

/** Entries that read the matrix back when their turn comes, so that a model is not in memory twice. */
async function entriesOf(name: string, matrix: LfsrMatrix) {
  const entries = lfsrEntries(name, await matrix.toLfsrTensor());
  return entries.map((entry, i) => ({
    ...entry,
    data: async () => {
      const { data } = lfsrEntries(name, await matrix.toLfsrTensor())[i] as (typeof entries)[number];
      return typeof data === "function" ? data() : data;
    },
  }));
}
