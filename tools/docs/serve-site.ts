import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isolation, type Site, serve } from "../test/browser/serve.ts";
import { root } from "../test/outcome.ts";

/** The built site. */
export const siteFolder = join(root, "docs/.vitepress/dist");

/** The file that answers an address: itself, or the page of a clean address. */
export function siteFile(path: string): string | undefined {
  const candidates = [path, `${path}.html`, `${path.replace(/\/$/, "")}/index.html`];
  return candidates
    .map((file) => join(siteFolder, file))
    .find((file) => file.startsWith(siteFolder) && /\.\w+$/.test(file) && existsSync(file));
}

export interface SiteOptions {
  /** Whether to send the headers that let a page share memory between threads. */
  isolated: boolean;
  /** Is told of every file that is sent. */
  onFile?: (path: string, body: Uint8Array) => void;
}

/** Serves the built site. */
export function serveSite({ isolated, onFile }: SiteOptions): Promise<Site> {
  const answer = (path: string) => {
    const file = siteFile(path);
    if (file === undefined) return undefined;
    const body = readFileSync(file);
    onFile?.(path, body);
    if (file.endsWith(".html")) return { body, type: "text/html" };
    if (file.endsWith(".css")) return { body, type: "text/css" };
    return { body };
  };
  return serve(answer, { headers: isolated ? isolation : {} });
}
