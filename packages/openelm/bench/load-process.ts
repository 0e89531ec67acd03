// What openelm-load.bench.ts measures, in a process of its own: load-process.ts HOW FOLDER
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { wasm } from "@corenet/backend-wasm";
import { loadOpenElm, type Storage } from "@corenet/openelm";
import { useBackend } from "@corenet/tensor";
import { measureInChild } from "../../../tools/bench/child.ts";

const [how = "", folder = ""] = process.argv.slice(2);

async function work(): Promise<unknown> {
  if (how === "nothing") return; // the process itself, with the backend started
  if (how === "readFile") return readFile(join(folder, "model.safetensors"));
  return loadOpenElm(folder, { storage: how as Storage });
}

await useBackend(wasm());
await measureInChild(work);
