// write-random-gguf.ts FILE f32|f16|q8_0|q4_0: the random model as llama.cpp reads it, in a process of its own.
import { wasm } from "@corenet/backend-wasm";
import { exportGguf } from "@corenet/openelm";
import { useBackend } from "@corenet/tensor";
import { createRandomModel } from "./random-model.ts";

const [, , path = "", dtype = "f16"] = process.argv;
await useBackend(wasm());
using model = await createRandomModel("f32");
const bytes = Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, "0")}>`);
const pieces = Array.from({ length: 32_000 - 260 }, (_, i) => `piece${i}`);
await exportGguf(model, path, {
  dtype: dtype as "f32" | "f16" | "q8_0" | "q4_0",
  vocabulary: { tokens: ["<unk>", "<s>", "</s>", ...bytes, "▁", ...pieces] },
});
