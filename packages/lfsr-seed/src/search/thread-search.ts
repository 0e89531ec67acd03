import { throwIfAborted, yieldToEventLoop } from "@corenet/core";
import { type BlockSearch, emptyBlockCodes } from "../codec/block-search.ts";
import { referenceSearch } from "../codec/reference-search.ts";
import { createEncoder, encoderTakes, encodeTile, readCodes, tilesOf } from "./encoder.ts";

/**
 * The search on the calling thread, in WebAssembly; it lets the event loop run some hundred times a second. What the
 * module does not take (P above 8) goes to the reference.
 *
 * @param module - from `encoderModule`
 */
export function threadSearch(module: WebAssembly.Module): BlockSearch {
  const reference = referenceSearch();
  let encoder: ReturnType<typeof createEncoder> | undefined;
  return {
    batchBlocks: 4096,
    async search(batch, options) {
      const { config, signal } = options;
      if (!encoderTakes(config)) return reference.search(batch, options);
      encoder ??= createEncoder(module);
      const codes = emptyBlockCodes(batch.blocks.length / config.C, config);
      for (const tile of tilesOf(batch, options)) {
        await yieldToEventLoop();
        throwIfAborted(signal);
        readCodes(encodeTile(encoder, tile), config, tile.first, codes);
      }
      return codes;
    },
  };
}
