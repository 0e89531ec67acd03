import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { decodeImage, imageDataset, imageFiles } from "@corenet/data";
import { build } from "esbuild";
import sharp from "sharp";
import { expect, test } from "vitest";
import { chromiumPath } from "../../../tools/test/chromium.ts";

/** Runs here and, as source text, in a page. */
const decodeAll = async (
  m: { decodeImage: typeof decodeImage; imageDataset: typeof imageDataset; imageFiles: typeof imageFiles },
  files: number[][],
) => {
  const bytes = files.map((file) => Uint8Array.from(file));
  const images = [];
  for (const file of bytes) images.push(await m.decodeImage(file));
  const folder = await m.imageFiles(bytes.map((file, i) => ({ name: `class/${i}`, blob: new Blob([file]) })));
  images.push((await m.imageDataset(folder).get(0, { height: 9, width: 5 })).image);
  const refusal = await m.decodeImage(bytes[0]?.subarray(0, 90) ?? new Uint8Array()).catch(String);
  return JSON.stringify([refusal, images.map((image) => ({ ...image, data: [...image.data] }))]);
};

test("a browser decodes what Node decodes, without a .wasm file to serve", async () => {
  const pixels = Uint8Array.from({ length: 20 * 14 * 3 }, (_, i) => (i * 5) & 255);
  const picture = sharp(pixels, { raw: { width: 20, height: 14, channels: 3 } });
  const files = [await picture.clone().jpeg().toBuffer(), await picture.clone().png().toBuffer()].map(
    (file) => [...file],
  );
  const { outputFiles } = await build({
    stdin: {
      contents: `import * as m from "@corenet/data";
        const result = await (${decodeAll})(m, ${JSON.stringify(files)}).catch(String);
        await fetch("/result", { method: "POST", body: result });`,
      resolveDir: fileURLToPath(new URL(".", import.meta.url)),
    },
    conditions: ["@corenet/source"],
    bundle: true,
    format: "esm",
    target: "es2022",
    write: false,
  });
  const served: Record<string, { type: string; body: string | Uint8Array }> = {
    "/": { type: "text/html", body: '<script type="module" src="page.js"></script>' },
    "/page.js": { type: "text/javascript", body: outputFiles[0]?.text ?? "" },
  };
  const posted = Promise.withResolvers<string>();
  const server = createServer(async (request, response) => {
    if (request.method === "POST") {
      posted.resolve(await text(request));
      response.end();
      return;
    }
    const file = served[request.url ?? ""];
    response.writeHead(file ? 200 : 404, { "Content-Type": file?.type ?? "text/plain" }).end(file?.body);
  });
  const folder = await mkdtemp(join(tmpdir(), "decode-"));
  let stop = () => {};
  try {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" ? address?.port : undefined;
    const flags = ["--headless", "--no-sandbox", "--disable-gpu", `--user-data-dir=${folder}`];
    const browser = spawn(chromiumPath() ?? "", [...flags, `http://127.0.0.1:${port}/`], { stdio: "ignore" });
    stop = () => browser.kill();
    expect(await posted.promise).toBe(await decodeAll({ decodeImage, imageDataset, imageFiles }, files));
    const ended = once(browser, "exit");
    stop();
    await ended;
  } finally {
    stop();
    server.close();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
});
