import { browserFolder } from "./browser-folder.ts";
import type { CacheFolder } from "./cache-folder.ts";
import { diskFolder } from "./disk-folder.ts";

/**
 * In Node the folder that Python's huggingface_hub uses too: $HF_HUB_CACHE, $HF_HOME/hub, or
 * ~/.cache/huggingface/hub. In a browser a folder of the origin-private file system.
 */
export function defaultCacheFolder(cache?: string): CacheFolder {
  const { process } = globalThis;
  if (typeof process?.getBuiltinModule !== "function") return browserFolder(cache ?? "corenet-hub");
  if (cache !== undefined) return diskFolder(cache);
  const { join } = process.getBuiltinModule("node:path");
  const { HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME } = process.env;
  const home = () =>
    join(XDG_CACHE_HOME ?? join(process.getBuiltinModule("node:os").homedir(), ".cache"), "huggingface");
  return diskFolder(HF_HUB_CACHE ?? join(HF_HOME ?? home(), "hub"));
}
