import { throwIfAborted, yieldToEventLoop } from "@corenet/core";
import { type BlockSearch, type BlockSearchOptions, emptyBlockCodes, sameConfig } from "./block-search.ts";
import { encodeBlock } from "./encode-block.ts";
import { createSeedLibrary, type SeedLibrary } from "./seed-library.ts";

/** `encodeBlock`, block by block: plain JavaScript on this thread, and what faster searches are compared with. */
export function referenceSearch(): BlockSearch {
  let library: SeedLibrary | undefined;
  let madeFor: Float64Array | undefined;

  function libraryFor(
    { config, nSeeds }: BlockSearchOptions,
    importance: Float64Array | undefined,
  ): SeedLibrary {
    const isSame =
      library?.nSeeds === nSeeds && sameConfig(library.config, config) && sameNumbers(madeFor, importance);
    if (!library || !isSame) library = createSeedLibrary(config, { nSeeds, importance });
    madeFor = importance?.slice();
    return library;
  }

  return {
    batchBlocks: 1024,
    async search({ blocks, importance }, options) {
      const { config, exponentRule, expBias, signal } = options;
      const { C, P } = config;
      const n = blocks.length / C;
      const codes = emptyBlockCodes(n, config);
      let yieldAt = performance.now();
      for (let i = 0; i < n; i++) {
        if (performance.now() >= yieldAt) {
          await yieldToEventLoop();
          yieldAt = performance.now() + 50;
        }
        throwIfAborted(signal);
        const h = importance && importance.length > C ? importance.subarray(i * C, (i + 1) * C) : importance;
        const w = blocks.subarray(i * C, (i + 1) * C);
        const code = encodeBlock(w, libraryFor(options, h), { exponentRule, expBias });
        codes.seeds[i] = code.seed;
        codes.exponentCodes[i] = code.exponent - expBias;
        codes.q.set(code.q, i * P);
        codes.errors[i] = code.error;
      }
      return codes;
    },
  };
}

function sameNumbers(a: Float64Array | undefined, b: Float64Array | undefined): boolean {
  return (
    a === b || (a !== undefined && b !== undefined && a.length === b.length && a.every((x, i) => x === b[i]))
  );
}
