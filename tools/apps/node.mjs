// The app in Node: nothing to set, nothing to build.
import { decodePixels } from "./decode.mjs";
import { trainAndGenerate } from "./train-and-generate.mjs";

console.log(JSON.stringify({ page: await trainAndGenerate(), pixels: await decodePixels() }));
