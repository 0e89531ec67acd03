import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { IoError } from "@corenet/core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { httpSource } from "./http-source.ts";

const content = Uint8Array.from({ length: 5000 }, (_, i) => i * 7);
let base: string;
let requests: string[] = [];
let closedEarly = 0;

/** `bytes=a-b` as numbers. */
function rangeOf(request: IncomingMessage): [number, number] {
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
  return [Number(first), Math.min(Number(last), content.length - 1)];
}

function sendRange(
  request: IncomingMessage,
  response: ServerResponse,
  headers: Record<string, string> = {},
): void {
  const [first, last] = rangeOf(request);
  const contentRange = `bytes ${first}-${last}/${content.length}`;
  response.writeHead(206, { "content-range": contentRange, "content-length": last - first + 1, ...headers });
  response.end(content.subarray(first, last + 1));
}

// How each path behaves. The probe asks for bytes 0-0 and is answered well where a lie shall come later.
const routes: Record<string, (request: IncomingMessage, response: ServerResponse, isProbe: boolean) => void> =
  {
    "/good": (request, response) => sendRange(request, response),
    "/whole": (_, response) =>
      void response.writeHead(200, { "content-length": content.length }).end(content),
    "/gzip": (_, response) =>
      void response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(content)),
    "/endless": (_, response) => {
      response.writeHead(200);
      response.on("close", () => {
        closedEarly += 1;
      });
      const more = () => {
        while (!response.destroyed && response.write(content));
      };
      response.on("drain", more);
      more();
    },
    "/html": (_, response) =>
      void response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end("<p>"),
    "/empty": (_, response) => void response.writeHead(416, { "content-range": "bytes */0" }).end(),
    "/no-size": (_, response) => void response.writeHead(206).end("x"),
    "/cut": (request, response, isProbe) => {
      if (isProbe) return sendRange(request, response);
      const [first, last] = rangeOf(request);
      response.writeHead(206, {
        "content-range": `bytes ${first}-${last}/${content.length}`,
        "content-length": last - first + 1,
      });
      response.write(content.subarray(first, first + 10), () => response.destroy());
    },
    "/short": (request, response, isProbe) => {
      if (isProbe) return sendRange(request, response);
      const [first, last] = rangeOf(request);
      response.writeHead(206, { "content-range": `bytes ${first}-${last}/${content.length}` });
      response.end(content.subarray(first, last));
    },
    "/long": (request, response, isProbe) => {
      if (isProbe) return sendRange(request, response);
      const [first, last] = rangeOf(request);
      response.writeHead(206, { "content-range": `bytes ${first}-${last}/${content.length}` });
      response.end(content);
    },
    "/other-range": (request, response, isProbe) => {
      if (isProbe) return sendRange(request, response);
      response
        .writeHead(206, { "content-range": `bytes 0-99/${content.length}` })
        .end(content.subarray(0, 100));
    },
    "/forgets-ranges": (request, response, isProbe) => {
      if (isProbe) return sendRange(request, response);
      response.writeHead(200).end(content);
    },
    "/changes": (request, response, isProbe) =>
      sendRange(request, response, { etag: isProbe ? '"1"' : '"2"' }),
    "/login-later": (request, response, isProbe) => {
      if (isProbe) return sendRange(request, response);
      response.writeHead(200, { "content-type": "text/html" }).end("<form>");
    },
    "/silent": (request, response, isProbe) => {
      if (isProbe) sendRange(request, response); // and never answers a read
    },
  };

const server = createServer((request, response) => {
  requests.push(`${request.url} ${request.headers.range}`);
  const route = routes[request.url ?? ""];
  if (route) route(request, response, request.headers.range === "bytes=0-0");
  else response.writeHead(404).end("no such file");
});

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(resolve));
});

test("reads by range, and asks for no more than it needs", async () => {
  requests = [];
  const source = await httpSource(`${base}/good`);
  expect(source.size).toBe(5000);
  expect(await source.read(100, 50)).toEqual(content.slice(100, 150));
  expect(await source.read(4999, 1)).toEqual(content.slice(4999));
  expect(await source.read(7, 0)).toEqual(new Uint8Array(0));
  expect(requests).toEqual(["/good bytes=0-0", "/good bytes=100-149", "/good bytes=4999-4999"]);
});

test("uses the fetch it is given", async () => {
  const seen: unknown[] = [];
  const source = await httpSource(new URL(`${base}/good`), {
    fetch: (input, init) => {
      seen.push(input);
      return fetch(input, init);
    },
  });
  await source.read(0, 1);
  expect(seen).toEqual([`${base}/good`, `${base}/good`]);
});

test("an empty file has no bytes", async () => {
  const source = await httpSource(`${base}/empty`);
  expect(source.size).toBe(0);
  expect(await source.read(0, 0)).toHaveLength(0);
});

test.each(["/whole", "/gzip"])("%s: without ranges, a small file is fetched once", async (path) => {
  requests = [];
  const source = await httpSource(base + path);
  expect(source.size).toBe(5000);
  expect(await source.read(100, 50)).toEqual(content.slice(100, 150));
  expect(await source.read(0, 5000)).toEqual(content);
  expect(requests).toHaveLength(1);
});

test("without ranges, a large file is refused and not loaded", async () => {
  const options = { maxWholeBytes: 4999 };
  await expect(httpSource(`${base}/whole`, options)).rejects.toThrow(
    "ignores ranges and would send all 5000 bytes, expected at most 4999. Use a server with ranges",
  );
  await expect(httpSource(`${base}/gzip`, options)).rejects.toThrow("would send more than 4999 bytes");
  closedEarly = 0;
  await expect(httpSource(`${base}/endless`, options)).rejects.toThrow(IoError);
  await expect.poll(() => closedEarly).toBe(1);
});

test.each([
  ["/missing", "answered 404 Not Found, expected 200 or 206. Check the address."],
  ["/html", "answered with a web page (text/html), not a file."],
  ["/no-size", "without the size of the file in Content-Range"],
])("%s is refused at once", async (path, message) => {
  const error = await httpSource(base + path).catch((error) => error);
  expect(error).toBeInstanceOf(IoError);
  expect(error.path).toBe(base + path);
  expect(error.message).toContain(message);
});

test("no server gives an IoError with its cause", async () => {
  const error = await httpSource("http://127.0.0.1:1/").catch((error) => error);
  expect(error).toBeInstanceOf(IoError);
  expect(error.message).toContain("gave no answer");
  expect(error.cause).toBeInstanceOf(TypeError);
});

test.each([
  ["/cut", "The transfer was cut; try again."],
  ["/short", "ended after 99 of 100 bytes. The transfer was cut; try again."],
  ["/long", "sent more than the 100 bytes that were asked for"],
  ["/other-range", 'Content-Range "bytes 0-99/5000", expected 206 with "bytes 200-299/5000"'],
  ["/forgets-ranges", 'answered 200 with Content-Range "null"'],
  ["/changes", "changed while it was being read"],
  ["/login-later", "answered with a web page"],
])("%s: a read that goes wrong is an IoError", async (path, message) => {
  const source = await httpSource(base + path);
  const error = await source.read(200, 100).catch((error) => error);
  expect(error).toBeInstanceOf(IoError);
  expect(error.message).toContain(message);
});

test("an abort ends a read that waits, with the signal's reason", async () => {
  const source = await httpSource(`${base}/silent`);
  const controller = new AbortController();
  const reading = source.read(200, 100, { signal: controller.signal });
  setTimeout(() => controller.abort(new Error("stop")), 20);
  await expect(reading).rejects.toThrow("stop");
  await expect(httpSource(`${base}/good`, { signal: controller.signal })).rejects.toThrow("stop");
});
