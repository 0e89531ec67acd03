import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { BackendError } from "@corenet/core";
import { add, tensor, useBackend } from "@corenet/tensor";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fromBase64 } from "./binary.ts";
import { type WasmOptions, wasm } from "./wasm.ts";

// Starts that fail, before the one that works: a realm has one heap, which the last test starts.
let server: Server;
let address: string;
let folder: string;
const events = ["uncaughtException", "unhandledRejection"] as const;
const listeners = () => events.map((event) => process.listenerCount(event));
const before = listeners();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "backend-wasm-"));
  const { default: good } = await import("./generated/tfjs-simd.ts");
  const files: Record<string, string | Uint8Array> = {
    "/page.wasm": "<!doctype html><title>an app</title>",
    "/good.wasm": fromBase64(good),
  };
  server = createServer(({ url }, response) => {
    const file = files[url ?? ""];
    response.statusCode = file === undefined ? 404 : 200;
    response.end(file);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(async () => {
  server.close();
  server.closeAllConnections();
  await rm(folder, { recursive: true });
});

async function failureOf(binary: WasmOptions["binary"]): Promise<string> {
  const error = await useBackend(wasm({ binary })).catch((caught: Error) => caught);
  expect(error).toBeInstanceOf(BackendError);
  return (error as Error).message;
}

test("a file that is not there", async () => {
  const url = pathToFileURL(join(folder, "missing.wasm"));
  const message = await failureOf(url);
  expect(message).toContain(`wasm: ${url} could not be read (ENOENT`);
  expect(message).toContain("Correct the address in wasm({ binary }), or leave it out");
});

test("an address that answers 404", async () => {
  expect(await failureOf(`${address}/missing.wasm`)).toContain(
    `wasm: ${address}/missing.wasm could not be read (the server answered 404 Not Found)`,
  );
});

test("an address that nobody answers", async () => {
  expect(await failureOf("http://127.0.0.1:9/x.wasm")).toContain(
    "wasm: http://127.0.0.1:9/x.wasm could not be read (fetch failed",
  );
});

test("an address that answers with its HTML page", async () => {
  expect(await failureOf(`${address}/page.wasm`)).toContain(
    `wasm: ${address}/page.wasm starts with 3c 21 64 6f ("<!doctype html>"), expected a WebAssembly file: 00 61 73 6d. A server`,
  );
});

test("bytes that are no WebAssembly, none at all, and a file cut short", async () => {
  expect(await failureOf(Uint8Array.of(1, 2, 3))).toContain("wasm: the given bytes starts with 01 02 03");
  expect(await failureOf(new ArrayBuffer(0))).toContain('wasm: the given bytes starts with nothing ("")');
  const { default: good } = await import("./generated/tfjs-simd.ts");
  expect(await failureOf(fromBase64(good).slice(0, 5000))).toContain(
    "wasm: the WebAssembly file does not start here",
  );
});

test("WebAssembly that is not TensorFlow.js", async () => {
  const empty = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
  expect(await failureOf(empty)).toContain("wasm: the WebAssembly file does not start here");
});

test("a text that is no address", async () => {
  expect(await failureOf("not an address")).toContain("wasm: not an address could not be read");
  const path = join(folder, "some.wasm");
  await writeFile(path, "text");
  expect(await failureOf(path)).toContain(`wasm: ${path} could not be read`);
});

test("after all these the next start works, and the process has the listeners that it had", async () => {
  await useBackend(wasm({ binary: new URL(`${address}/good.wasm`) }));
  await expect(add(tensor([1, 2]), 1)).toBeAllClose([2, 3]);
  expect(listeners()).toEqual(before);
});
