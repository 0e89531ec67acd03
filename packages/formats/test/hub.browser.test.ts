// The cache of the hub where a browser keeps it: the origin's private file system, in pages and in workers.
import { createHash, randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { Browser, BrowserContext, Page } from "playwright";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { launchChromium } from "../../../tools/test/browser/launch.ts";

interface Opened {
  /** SHA-256 of each file by its name. */
  files?: Record<string, string>;
  /** Name and text of the error. */
  failure?: string;
}

/** What the page's script leaves there. */
declare const app: {
  open(options: { offline?: boolean }): Promise<Opened>;
  openInWorker(): Promise<Opened>;
  models(): Promise<{ repo: string; sizeBytes: number; revisions: Record<string, string> }[]>;
  forget(): Promise<void>;
  freeBytes(): Promise<number | undefined>;
};

const script = `
  import { hubCache, openHub } from "@corenet/formats";
  const repo = "apple/tiny";
  const inWorker = typeof WorkerGlobalScope !== "undefined";
  async function open(options) {
    try {
      const files = {};
      for (const source of await openHub(repo, { endpoint: location.origin, ...options })) {
        const hash = await crypto.subtle.digest("SHA-256", await source.read(0, source.size));
        files[source.name] = Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join("");
        await source.close();
      }
      return { files };
    } catch ({ name, message }) {
      return { failure: name + ": " + message };
    }
  }
  if (inWorker) open({}).then((opened) => postMessage(opened));
  else globalThis.app = {
    open,
    openInWorker: () => new Promise((resolve) => {
      new Worker("/page.js", { type: "module" }).onmessage = ({ data }) => resolve(data);
    }),
    models: () => hubCache().list(),
    forget: () => hubCache().delete(repo),
    freeBytes: async () => (await hubCache().estimate()).freeBytes,
  };
`;
const html = '<script type="module" src="/page.js"></script>';

const commit = "0123456789abcdef0123456789abcdef01234567";
const config = Buffer.from('{"model_type":"openelm"}');
const weights = randomBytes(3_000_000);
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const right = { files: { "config.json": sha256(config), "model.safetensors": sha256(weights) } };
const manifest = {
  sha: commit,
  siblings: [
    {
      rfilename: "config.json",
      size: config.length,
      blobId: createHash("sha1").update(`blob ${config.length}\0`).update(config).digest("hex"),
    },
    { rfilename: "model.safetensors", size: 134, lfs: { sha256: sha256(weights), size: weights.length } },
  ],
};

type Handler = (request: IncomingMessage, response: ServerResponse, first: number) => void;
const sendRange: Handler = (request, response, first) => {
  if (request.headers.range === undefined) return void response.writeHead(200).end(weights);
  response.writeHead(206, { "content-range": `bytes ${first}-${weights.length - 1}/${weights.length}` });
  response.end(weights.subarray(first));
};
const breakOff: Handler = (_, response) => void response.destroy();
/** Sends so much and cuts the connection. */
const cutAfter =
  (bytes: number): Handler =>
  (_, response, first) => {
    response.writeHead(first > 0 ? 206 : 200, { "content-length": weights.length - first });
    response.write(weights.subarray(first, first + bytes), () => response.destroy());
  };

let pageScript: Uint8Array;
let sendWeights: Handler;
/** The first byte that each request for the weights asked for. */
let firsts: number[];
/** Requests to the hub. */
let asked: number;

function answer(request: IncomingMessage, response: ServerResponse): void {
  const { url = "" } = request;
  if (url === "/") return void response.setHeader("content-type", "text/html").end(html);
  if (url === "/page.js") return void response.setHeader("content-type", "text/javascript").end(pageScript);
  asked += 1;
  if (url.startsWith("/api/models/apple/tiny/revision/main"))
    return void response.end(JSON.stringify(manifest));
  if (url === `/apple/tiny/resolve/${commit}/config.json`) return void response.end(config);
  if (url !== `/apple/tiny/resolve/${commit}/model.safetensors`) return void response.writeHead(404).end();
  const first = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
  firsts.push(first);
  sendWeights(request, response, first);
}

const server = createServer(answer);
let browser: Browser;
let context: BrowserContext;
let page: Page;

beforeAll(async () => {
  const { outputFiles } = await build({
    stdin: { contents: script, resolveDir: fileURLToPath(new URL(".", import.meta.url)) },
    conditions: ["@corenet/source"],
    ...{ bundle: true, format: "esm", target: "es2022", write: false, platform: "browser" },
  });
  pageScript = outputFiles[0]?.contents ?? new Uint8Array();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  browser = await launchChromium();
});
afterAll(async () => {
  await browser.close();
  server.closeAllConnections();
  server.close();
});
beforeEach(async () => {
  sendWeights = sendRange;
  [firsts, asked] = [[], 0];
  context = await browser.newContext(); // an empty file system
  page = await context.newPage();
  await load();
});
afterEach(() => context.close());

async function load(): Promise<void> {
  await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  await page.waitForFunction(() => "app" in globalThis);
}
const open = (options: { offline?: boolean } = {}) => page.evaluate((given) => app.open(given), options);

describe("the hub's cache in the origin's private file system", () => {
  test("is warm after a reload and without a network", async () => {
    expect(await open()).toEqual(right);
    const before = asked;
    await load();
    expect(await open()).toEqual(right);
    await context.setOffline(true);
    expect(await open()).toEqual(right);
    expect(await open({ offline: true })).toEqual(right);
    expect(asked).toBe(before);
  });

  test("is shared with workers", async () => {
    expect(await page.evaluate(() => app.openInWorker())).toEqual(right);
    const before = asked;
    expect(await open({ offline: true })).toEqual(right);
    expect(asked).toBe(before);
  });

  test("waits for what a worker is downloading", async () => {
    sendWeights = (_, response) => {
      response.writeHead(200, { "content-length": weights.length });
      response.write(weights.subarray(0, 100_000));
      setTimeout(() => response.end(weights.subarray(100_000)), 300);
    };
    const both = await page.evaluate(() => Promise.all([app.open({}), app.openInWorker()]));
    expect(both).toEqual([right, right]);
    expect(firsts).toEqual([0]);
  });

  test("says what is missing offline", async () => {
    expect((await open({ offline: true })).failure).toMatch(
      /^IoError: hub: .* is not in the cache corenet-hub/,
    );
  });

  test("goes on where the connection was cut", async () => {
    let cuts = 0;
    sendWeights = (...args) => (cuts++ < 2 ? cutAfter(1_000_000) : sendRange)(...args);
    expect(await open()).toEqual(right);
    expect(firsts[0]).toBe(0);
    expect(firsts).toHaveLength(3);
    expect(firsts.slice(1).every((first) => first > 0)).toBe(true);
  });

  test("goes on in another visit where one gave up", async () => {
    sendWeights = (...args) => (firsts.length === 1 ? cutAfter(1_000_000) : breakOff)(...args);
    expect((await open()).failure).toMatch(
      /^IoError: .*5 times in a row.* of 3000000 bytes are kept; call again/,
    );
    await load();
    [sendWeights, firsts] = [sendRange, []];
    expect(await open()).toEqual(right);
    expect(firsts).toHaveLength(1);
    expect(firsts[0]).toBeGreaterThan(0);
  });

  test("keeps nothing that is not what the hub told", async () => {
    sendWeights = (_, response) => void response.writeHead(200).end(Buffer.alloc(weights.length));
    expect((await open()).failure).toMatch(
      /^IoError: hub: model\.safetensors .* expected .* it was not kept/,
    );
    sendWeights = sendRange;
    expect(await open()).toEqual(right);
    expect(firsts).toEqual([0, 0]);
  });

  test("lists and deletes models, and tells what room is left", async () => {
    await open();
    const [model] = await page.evaluate(() => app.models());
    expect(model).toMatchObject({ repo: "apple/tiny", revisions: { main: commit } });
    expect(model?.sizeBytes).toBeGreaterThan(config.length + weights.length);
    expect(await page.evaluate(() => app.freeBytes())).toBeGreaterThan(0);
    await page.evaluate(() => app.forget());
    expect(await page.evaluate(() => app.models())).toEqual([]);
    expect((await open({ offline: true })).failure).toContain("is not in the cache");
  });
});
