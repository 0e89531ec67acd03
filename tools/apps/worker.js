// The same in a worker of the app's own.
import { trainAndGenerate } from "./train-and-generate.mjs";

self.onmessage = async () => {
  self.postMessage(await trainAndGenerate());
};
