import { spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { hostname, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Progress } from "@corenet/core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { ByteSource } from "../byte-source.ts";
import { hubCache } from "./hub-cache.ts";
import { type HubOptions, openHub } from "./open-hub.ts";

const commit = "0123456789abcdef0123456789abcdef01234567";
const config = new TextEncoder().encode('{"model_type":"openelm"}');
const weights = new Uint8Array(randomBytes(300_000));
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const gitSha1 = (bytes: Uint8Array) =>
  createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
const manifest = {
  sha: commit,
  siblings: [
    { rfilename: "config.json", size: config.length, blobId: gitSha1(config) },
    {
      rfilename: "model.safetensors",
      size: 134, // of the pointer in git
      blobId: "0".repeat(40),
      lfs: { sha256: sha256(weights), size: weights.length, pointerSize: 134 },
    },
    { rfilename: "README.md", size: 3, blobId: "1".repeat(40) },
  ],
};

type Handler = (request: IncomingMessage, response: ServerResponse) => void;
let sendWeights: Handler;
let requests: string[] = [];
let endpoint: string;
let cache: string;

const sendRange: Handler = (request, response) => {
  const first = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
  if (request.headers.range === undefined) return void response.writeHead(200).end(weights);
  response.writeHead(206, { "content-range": `bytes ${first}-${weights.length - 1}/${weights.length}` });
  response.end(weights.subarray(first));
};

const server = createServer((request, response) => {
  requests.push(request.url ?? "");
  if (request.url?.startsWith("/api/models/apple/OpenELM-270M/revision/main")) {
    response.end(JSON.stringify(manifest));
  } else if (request.url?.startsWith("/api/models/apple/odd")) {
    response.end(
      JSON.stringify({ sha: commit, siblings: [{ rfilename: "../../x", size: 1, blobId: commit }] }),
    );
  } else if (request.url?.startsWith("/api/models/apple/portal")) {
    response.writeHead(200, { "content-type": "text/html" }).end("<html>log in</html>");
  } else if (request.url === `/apple/OpenELM-270M/resolve/${commit}/config.json`) {
    response.end(config);
  } else if (request.url === `/apple/OpenELM-270M/resolve/${commit}/model.safetensors`) {
    sendWeights(request, response);
  } else {
    response.writeHead(404, { "content-type": "text/html" }).end("<h1>404</h1>");
  }
});

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => void server.close());
beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), "corenet-hub-"));
  sendWeights = sendRange;
  requests = [];
});
afterEach(() => rmSync(cache, { recursive: true }));

const open = (options: HubOptions = {}) => openHub("apple/OpenELM-270M", { endpoint, cache, ...options });
async function contents(sources: readonly ByteSource[]): Promise<Record<string, Uint8Array>> {
  const result: Record<string, Uint8Array> = {};
  for (const source of sources) {
    result[source.name] = await source.read(0, source.size);
    await source.close();
  }
  return result;
}
const blob = (hash: string) => join(cache, "models--apple--OpenELM-270M/blobs", hash);

test("brings config and weights, leaves the rest, and tells how far it is", async () => {
  const events: Progress[] = [];
  const files = await contents(await open({ onProgress: (event) => events.push(event) }));
  expect(files).toEqual({ "config.json": config, "model.safetensors": weights });
  expect(events.at(-1)).toMatchObject({
    phase: "download",
    unit: "bytes",
    done: config.length + weights.length,
    total: config.length + weights.length,
  });
});

test("lays files out as Python's huggingface_hub does", async () => {
  await contents(await open());
  const base = join(cache, "models--apple--OpenELM-270M");
  expect(readFileSync(join(base, "refs/main"), "utf8")).toBe(commit);
  expect(readlinkSync(join(base, "snapshots", commit, "config.json"))).toBe(`../../blobs/${gitSha1(config)}`);
  expect(readFileSync(join(base, "snapshots", commit, "model.safetensors"))).toEqual(Buffer.from(weights));
});

test("asks nothing with a warm cache, also offline", async () => {
  await contents(await open());
  requests = [];
  await contents(await open());
  expect(Object.keys(await contents(await open({ offline: true })))).toHaveLength(2);
  expect(requests).toEqual([]);
  await contents(await open({ update: true }));
  expect(requests).toHaveLength(1);
});

test("reads a header by its range, and keeps nothing", async () => {
  const ranges: (string | undefined)[] = [];
  sendWeights = (request, response) => {
    ranges.push(request.headers.range);
    const [first, last] =
      /^bytes=(\d+)-(\d+)$/
        .exec(request.headers.range ?? "")
        ?.slice(1)
        .map(Number) ?? [];
    response.writeHead(206, { "content-range": `bytes ${first}-${last}/${weights.length}` });
    response.end(weights.subarray(first, (last as number) + 1));
  };
  const sources = await open({ keep: false, token: "secret" });
  const file = sources.find(({ name }) => name === "model.safetensors");
  expect(await file?.read(8, 100)).toEqual(weights.subarray(8, 108));
  for (const source of sources) await source.close();
  expect(ranges).toEqual(["bytes=0-0", "bytes=8-107"]);
  expect(() => readFileSync(blob(sha256(weights)))).toThrow("ENOENT");
  await expect(open({ keep: false, offline: true })).rejects.toThrow("is not in the cache");

  sendWeights = sendRange;
  await contents(await open());
  requests = [];
  expect((await contents(await open({ keep: false })))["model.safetensors"]).toEqual(weights);
  expect(requests).toEqual([]); // what is in the cache is read there
});

test("says what is missing offline", async () => {
  await expect(open({ offline: true })).rejects.toThrow(
    /list of files .* is not in the cache .* offline forbids/,
  );
  await contents(await open({ files: ["config.json"] }));
  await expect(open({ offline: true })).rejects.toThrow(
    /model\.safetensors of apple\/OpenELM-270M is not in/,
  );
});

test("goes on where the connection was cut", async () => {
  let cuts = 0;
  const ranges: (string | undefined)[] = [];
  sendWeights = (request, response) => {
    ranges.push(request.headers.range);
    if (cuts++ >= 2) return sendRange(request, response);
    const first = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
    response.writeHead(first ? 206 : 200, { "content-length": weights.length - first });
    response.write(weights.subarray(first, first + 100_000), () => response.destroy());
  };
  expect((await contents(await open()))["model.safetensors"]).toEqual(weights);
  expect(ranges[0]).toBeUndefined();
  expect(ranges.slice(1).every((range) => /^bytes=[1-9]\d*-$/.test(range ?? ""))).toBe(true);
});

test("keeps what arrived when it gives up, and goes on there the next time", async () => {
  let served = 0;
  sendWeights = (_, response) => {
    if (served++ > 0) return void response.destroy();
    response.writeHead(200, { "content-length": weights.length });
    response.write(weights.subarray(0, 50_000), () => response.destroy());
  };
  await expect(open()).rejects.toThrow(/5 times in a row.* of 300000 bytes are kept; call again/);
  const kept = statSync(`${blob(sha256(weights))}.incomplete`).size;
  expect(kept).toBeGreaterThan(0);

  let range: string | undefined;
  sendWeights = (request, response) => {
    range = request.headers.range;
    sendRange(request, response);
  };
  expect((await contents(await open()))["model.safetensors"]).toEqual(weights);
  expect(range).toBe(`bytes=${kept}-`);
});

test("starts again where the server ignores ranges, and notices a wrong beginning", async () => {
  await contents(await open({ files: ["config.json"] }));
  writeFileSync(`${blob(sha256(weights))}.incomplete`, new Uint8Array(1000));
  sendWeights = (_, response) => void response.end(weights);
  expect((await contents(await open()))["model.safetensors"]).toEqual(weights);
});

test("keeps nothing of a file with another content", async () => {
  const other = weights.slice();
  other[150_000] = (other[150_000] as number) ^ 1;
  sendWeights = (_, response) => void response.end(other);
  await expect(open()).rejects.toThrow(/has the hash [0-9a-f]{64}, expected [0-9a-f]{64}/);
  expect(() => statSync(`${blob(sha256(weights))}.incomplete`)).toThrow("ENOENT");
  expect(() => statSync(blob(sha256(weights)))).toThrow("ENOENT");
});

test("keeps nothing of a file that goes on past its end", async () => {
  sendWeights = (_, response) => void response.end(Buffer.concat([weights, weights]));
  await expect(open()).rejects.toThrow("sent more than the 300000 bytes");
  expect(statSync(`${blob(sha256(weights))}.incomplete`).size).toBe(0);
});

test.each([
  ["a web page", 200, "text/html; charset=utf-8", "answered with a web page"],
  ["not found", 404, "text/plain", "answered 404"],
  ["forbidden", 403, "text/plain", "answered 403"],
])("never stores %s", async (_, status, type, text) => {
  sendWeights = (_request, response) => void response.writeHead(status, { "content-type": type }).end("<h1>");
  await expect(open()).rejects.toThrow(text);
  expect(() => statSync(blob(sha256(weights)))).toThrow("ENOENT");
});

test("tries again when the server is busy", async () => {
  let busy = 3;
  sendWeights = (request, response) =>
    busy-- > 0 ? void response.writeHead(503).end() : sendRange(request, response);
  expect((await contents(await open()))["model.safetensors"]).toEqual(weights);
});

test("says which model or file does not exist", async () => {
  await expect(openHub("apple/nothing", { endpoint, cache })).rejects.toThrow(
    /has no model "apple\/nothing" at revision "main" for us \(status 404\): the name is wrong, or it is gated/,
  );
  await expect(open({ files: ["tokenizer.json"] })).rejects.toThrow(
    /has no tokenizer\.json at commit .* it holds config\.json, model\.safetensors, README\.md/,
  );
});

test("says when nobody answers, or something that is no hub", async () => {
  await expect(open({ endpoint: "http://127.0.0.1:1" })).rejects.toThrow(/gave no answer .* `offline: true`/);
  await expect(openHub("apple/portal", { endpoint, cache })).rejects.toThrow(
    /"<html>log in<\/html>", expected JSON/,
  );
});

test("refuses names that lead elsewhere", async () => {
  await expect(openHub("apple/odd", { endpoint, cache })).rejects.toThrow('lists a file "../../x"');
  for (const repo of ["../x", "apple", "a/b/c", "a--b/c", "apple/.."]) {
    await expect(openHub(repo, { endpoint, cache })).rejects.toThrow(RangeError);
  }
  await expect(open({ revision: "../../x" })).rejects.toThrow("revision");
  await expect(open({ revision: "main?x" })).rejects.toThrow("revision");
});

test("stops at an abort, before and in the middle, and goes on later", async () => {
  await expect(open({ signal: AbortSignal.abort() })).rejects.toThrow("aborted");
  expect(requests).toEqual([]);
  const controller = new AbortController();
  sendWeights = (_, response) => {
    response.writeHead(200, { "content-length": weights.length });
    response.write(weights.subarray(0, 100_000), () => setTimeout(() => controller.abort(), 100));
  };
  await expect(open({ signal: controller.signal })).rejects.toThrow("aborted");
  expect(statSync(`${blob(sha256(weights))}.incomplete`).size).toBe(100_000);
  sendWeights = sendRange;
  expect((await contents(await open()))["model.safetensors"]).toEqual(weights);
});

describe("downloads of one file at once", () => {
  const slowly: Handler = (_, response) => {
    response.writeHead(200, { "content-length": weights.length });
    response.write(weights.subarray(0, 100_000));
    setTimeout(() => response.end(weights.subarray(100_000)), 200);
  };
  const requestsOfWeights = () => requests.filter((url) => url.endsWith("model.safetensors")).length;

  test("fetch it once", async () => {
    sendWeights = slowly;
    for (const files of await Promise.all([open(), open(), open()])) {
      expect((await contents(files))["model.safetensors"]).toEqual(weights);
    }
    expect(requestsOfWeights()).toBe(1);
    expect(readdirSync(dirname(blob("x")))).toEqual([sha256(weights), gitSha1(config)].sort());
  });

  test("wait no longer than they are told to", async () => {
    sendWeights = slowly;
    const controller = new AbortController();
    const first = open();
    const second = open({ signal: controller.signal });
    setTimeout(() => controller.abort(), 100);
    await expect(second).rejects.toThrow("aborted");
    expect((await contents(await first))["model.safetensors"]).toEqual(weights);
  });

  test("take over where the other one gives up", async () => {
    const controller = new AbortController();
    let range: string | undefined;
    sendWeights = (request, response) => {
      range = request.headers.range;
      if (range) return sendRange(request, response);
      response.writeHead(200, { "content-length": weights.length });
      response.write(weights.subarray(0, 100_000), () => setTimeout(() => controller.abort(), 100));
    };
    const first = open({ signal: controller.signal });
    const second = open();
    await expect(first).rejects.toThrow("aborted");
    expect((await contents(await second))["model.safetensors"]).toEqual(weights);
    expect(range).toBe("bytes=100000-");
  });

  test("do not wait for a process that was killed", async () => {
    await contents(await open({ files: ["config.json"] }));
    const { pid } = spawnSync(process.execPath, ["--version"]);
    writeFileSync(`${blob(sha256(weights))}.incomplete.lock`, `${hostname()} ${pid} of the dead`);
    expect((await contents(await open()))["model.safetensors"]).toEqual(weights);
  });

  test("wait for a process that lives", async () => {
    await contents(await open({ files: ["config.json"] }));
    const lock = `${blob(sha256(weights))}.incomplete.lock`;
    writeFileSync(lock, `${hostname()} ${process.ppid} of another`);
    const waiting = open();
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(requestsOfWeights()).toBe(0);
    rmSync(lock);
    expect((await contents(await waiting))["model.safetensors"]).toEqual(weights);
  });
});

test("lists and deletes models", async () => {
  await contents(await open());
  const models = hubCache(cache);
  const [model] = await models.list();
  expect(model).toMatchObject({ repo: "apple/OpenELM-270M", revisions: { main: commit } });
  expect(model?.sizeBytes).toBeGreaterThan(config.length + weights.length);
  expect((await models.estimate()).usedBytes).toBe(model?.sizeBytes);
  await models.delete("apple/OpenELM-270M");
  expect(await models.list()).toEqual([]);
  await models.delete("apple/OpenELM-270M");
});
