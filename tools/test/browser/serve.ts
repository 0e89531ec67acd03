import { createServer } from "node:http";
import { extname } from "node:path";

/** What a page gets for its address; undefined is 404. */
export type Answer = (path: string) => { body: string | Uint8Array; type?: string | undefined } | undefined;

export interface ServeOptions {
  /** Sent with every answer. */
  headers?: Record<string, string>;
}

export interface Site extends AsyncDisposable {
  /** Such as `http://127.0.0.1:4000`. */
  origin: string;
}

/** What a page needs to share memory between threads. */
export const isolation = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

const types: Record<string, string> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

/** Serves to this machine, on a free port, until disposed. */
export async function serve(answer: Answer, { headers = {} }: ServeOptions = {}): Promise<Site> {
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? "/", "http://localhost").pathname);
    const file = answer(path);
    const type = file?.type ?? types[extname(path)] ?? "text/plain";
    response
      .writeHead(file ? 200 : 404, { "Content-Type": type, "Cache-Control": "max-age=3600", ...headers })
      .end(file?.body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  return {
    origin: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
