// What openelm-load.bench.ts measures, in a process of its own: load-process.ts HOW FOLDER
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { wasm } from "@corenet/backend-wasm";
import { loadOpenElm } from "@corenet/openelm";
import { useBackend } from "@corenet/tensor";
import { measureInChild } from "../../../tools/bench/child.ts";

const ways: Record<string, (folder: string) => Promise<unknown>> = {
  /** The process itself, with the backend started. */
  nothing: async () => {},
  readFile: (folder) => readFile(join(folder, "model.safetensors")),
  f32: (folder) => loadOpenElm(folder),
  asIs: (folder) => loadOpenElm(folder, { storage: "as-is" }),
};

const [how = "", folder = ""] = process.argv.slice(2);
const way = ways[how];
if (!way)
  throw new RangeError(`load-process: there is no "${how}", expected ${Object.keys(ways).join(", ")}.`);
await useBackend(wasm());
await measureInChild(() => way(folder));
