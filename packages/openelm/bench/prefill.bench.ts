import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { countMultiplyAdds, openElmConfig } from "@corenet/openelm";
import { build } from "esbuild";
import type { Page } from "playwright";
import type { Bench, Contender } from "../../../tools/bench/harness.ts";
import { launchChromium } from "../../../tools/test/browser/launch.ts";
import { isolation, type Site, serve } from "../../../tools/test/browser/serve.ts";
import { chromiumPath } from "../../../tools/test/chromium.ts";
import { PROMPT } from "./decode-work.ts";
import { writtenModel } from "./written-model.ts";

const FORMATS = [
  { ours: "f16", peer: "f16" },
  { ours: "int8", peer: "q8_0" },
  { ours: "int4", peer: "q4_0" },
] as const;

const bench: Bench = {
  name: "prefill",
  description:
    "OpenELM-270M's shape with random weights reads 512 tokens in Chromium: our wasm backend and wllama 3.8.1 (llama.cpp in " +
    "WebAssembly) in one page, with the same number of threads. The floor is of one thread.",

  async run({ compare, note, signal }) {
    if (!chromiumPath()) {
      note("The prefill is left out: no Chromium at $CHROMIUM or /usr/bin/chromium.");
      return;
    }
    const flops = 2 * countMultiplyAdds(openElmConfig("270M"), { newTokens: PROMPT.length, logits: "last" });
    const threads = Math.min(8, availableParallelism()); // what wasm() takes
    const page = await bundledPage();
    for (const { ours, peer } of FORMATS) {
      const model = await writtenModel(peer, signal);
      await using site = await serveBench(page, model);
      await using browser = await launchChromium();
      const tab = await browser.newPage();
      await tab.goto(site.origin);
      await tab.evaluate(startEngines, { format: ours, model: "/model.gguf", threads });
      const [own, theirs] = [await tab.evaluate(runEngine, "ours"), await tab.evaluate(runEngine, "wllama")];
      note(
        `${ours}: the likeliest token after the prompt (modulo 4096, since rows repeat) is ${own.next} for ours, ${theirs.next} for wllama.`,
      );
      await compare({
        name: `prefill of ${PROMPT.length}, ${ours}, ${threads} threads, in Chromium`,
        ours: contender("ours", "ours", tab),
        peers: [contender(`wllama ${peer}`, "wllama", tab)],
        warmup: 0, // both have run once
        rounds: 3,
        work: { flops },
      });
    }
  },
};

/** @param engine - as the page calls it */
function contender(name: string, engine: string, tab: Page): Contender {
  return { name, run: async () => (await tab.evaluate(runEngine, engine)).ms };
}

/** Runs in the page. */
async function startEngines(options: { format: "f16" | "int8" | "int4"; model: string; threads: number }) {
  const page: typeof import("./prefill-page.ts") = await import("/prefill-page.js" as string);
  await page.start(options);
}

/** Runs in the page. */
async function runEngine(engine: string) {
  const page: typeof import("./prefill-page.ts") = await import("/prefill-page.js" as string);
  return page.run(engine);
}

/** The page's program: prefill-page.ts and all that it imports. */
async function bundledPage(): Promise<Uint8Array> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("prefill-page.ts", import.meta.url))],
    bundle: true,
    format: "esm",
    target: "es2022",
    conditions: ["@corenet/source"],
    external: ["/wllama.js", "webgpu"], // served beside it; an optional peer in Node
    write: false,
    logLevel: "warning",
  });
  const [output] = outputFiles;
  if (!output) throw new Error("prefill: esbuild wrote no bundle.");
  return output.contents;
}

function serveBench(page: Uint8Array, model: string): Promise<Site> {
  const peer = (file: string) =>
    readFileSync(fileURLToPath(import.meta.resolve(`@wllama/wllama/esm/${file}`)));
  return serve(
    (path) => {
      if (path === "/") return { body: "<!doctype html><title>prefill</title>", type: "text/html" };
      if (path === "/prefill-page.js") return { body: page };
      if (path === "/wllama.js") return { body: peer("index.js") };
      if (path === "/wllama.wasm") return { body: peer("wasm/wllama.wasm") };
      if (path === "/model.gguf") return { body: readFileSync(model), type: "application/octet-stream" };
      return undefined;
    },
    { headers: isolation },
  );
}

export default bench;
