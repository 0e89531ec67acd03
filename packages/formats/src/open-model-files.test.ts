import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ByteSource } from "./byte-source.ts";
import { openModelFiles } from "./open-model-files.ts";

const folder = mkdtempSync(join(tmpdir(), "corenet-model-"));
let files: Record<string, string> = {};
let base: string;

const server = createServer((request, response) => {
  const text = files[basename(request.url ?? "")];
  if (text === undefined) return void response.writeHead(404, { "content-type": "text/html" }).end("<h1>");
  response.end(text);
});
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/model`;
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

async function contents(sources: readonly ByteSource[]): Promise<Record<string, string>> {
  const result: Record<string, string> = {};
  for (const source of sources) {
    result[basename(source.name)] = new TextDecoder().decode(await source.read(0, source.size));
    await source.close();
  }
  return result;
}

test("a folder gives config, weights and tokenizer, and nothing else", async () => {
  for (const name of ["config.json", "model.safetensors", "tokenizer.model", "README.md", "a.bin"]) {
    writeFileSync(join(folder, name), name);
  }
  expect(Object.keys(await contents(await openModelFiles(folder)))).toEqual([
    "config.json",
    "model.safetensors",
    "tokenizer.model",
  ]);
  expect(readFileSync(join(folder, "README.md"), "utf8")).toBe("README.md");
  await expect(openModelFiles(join(folder, "nothing"))).rejects.toThrow(/ENOENT.*"hf:owner\/name"/);
});

test("a URL gives one file, or the shards of its index, and the tokenizer where there is one", async () => {
  files = { "config.json": "{}", "model.safetensors": "weights", "tokenizer.json": "{}" };
  expect(await contents(await openModelFiles(base))).toEqual(files);
  files = {
    "config.json": "{}",
    "model.safetensors.index.json":
      '{"weight_map":{"a":"one.safetensors","b":"two.safetensors","c":"one.safetensors"}}',
    "one.safetensors": "1",
    "two.safetensors": "2",
  };
  expect(await contents(await openModelFiles(`${base}/`))).toEqual(files);
});

test("says which file a server lacks", async () => {
  files = { "config.json": "{}" };
  await expect(openModelFiles(base)).rejects.toThrow("/model/model.safetensors answered 404");
  files = {};
  await expect(openModelFiles(base)).rejects.toThrow("/model/config.json answered 404");
});

test("a hub name must be one", async () => {
  await expect(openModelFiles("hf:nothing")).rejects.toThrow(
    'repository is "nothing", expected "owner/name"',
  );
});
