import { createProgress, IoError, type OnProgress, throwIfAborted } from "@corenet/core";
import type { ByteSource } from "../byte-source.ts";
import { httpSource } from "../http-source.ts";
import { openAll } from "../open-all.ts";
import { blobUrl, type HubBlob } from "./blob-url.ts";
import type { CacheFolder } from "./cache-folder.ts";
import { defaultCacheFolder } from "./default-cache-folder.ts";
import { downloadBlob } from "./download-blob.ts";
import {
  fetchManifest,
  type HubFile,
  type HubManifest,
  hubHeaders,
  manifestJson,
  parseManifest,
} from "./hub-manifest.ts";
import { checkRepo, checkRevision, folderOfRepo } from "./hub-repo.ts";

export interface HubOptions {
  /** Which files: names, or patterns in which `*` stands for anything but `/`. @default config, weights and tokenizer */
  files?: readonly string[];
  /** Branch, tag or commit. @default "main" */
  revision?: string;
  /** For private and gated models. @default $HF_TOKEN in Node */
  token?: string;
  /** Another hub or a mirror. @default $HF_ENDPOINT in Node, else https://huggingface.co */
  endpoint?: string;
  /** A folder (Node), or a name in the browser's private file system. @default the folder of Python's huggingface_hub */
  cache?: string;
  /** Never ask the network; what is not in the cache is an error. @default false */
  offline?: boolean;
  /** Put what is not in the cache there. `false` reads it by ranges as it is needed: headers of weights, without the weights. @default true */
  keep?: boolean;
  /** Ask whether the revision moved on; otherwise a cached model costs no request at all. @default false */
  update?: boolean;
  /** Used instead of the platform's. */
  fetch?: typeof fetch;
  signal?: AbortSignal;
  /** Phase "download", in bytes, files that need no download already included. */
  onProgress?: OnProgress;
}

const modelFiles = ["*.json", "*.safetensors", "tokenizer.model", "*.jinja"];

/**
 * The files of a model on the Hugging Face hub, from the cache, downloaded where they are not there yet: resumed
 * after a break, kept only when size and hash are right.
 *
 * @param repo - `owner/name`, such as "apple/OpenELM-270M-Instruct"
 * @returns one source a file, named by its path in the repository: what `loadOpenElm` and `openCheckpoint` take, and
 *   close
 * @throws RangeError when `repo` or `revision` is no such name
 * @throws IoError when a file cannot be had: no such model, no network and no warm cache, a full disk, a server that
 *   cuts or lies
 */
export async function openHub(repo: string, options: HubOptions = {}): Promise<ByteSource[]> {
  const env = globalThis.process?.env ?? {};
  const {
    files = modelFiles,
    revision = "main",
    offline = false,
    keep = true,
    update = false,
    signal,
    onProgress,
  } = options;
  const { token = env.HF_TOKEN, endpoint = env.HF_ENDPOINT ?? "https://huggingface.co" } = options;
  checkRepo(repo);
  checkRevision(revision);
  throwIfAborted(signal);
  const folder = defaultCacheFolder(options.cache);
  const request = {
    ...{ repo, revision, token, signal, endpoint: endpoint.replace(/\/+$/, "") },
    fetch: options.fetch ?? globalThis.fetch,
  };

  const known = update && !offline ? undefined : await cachedManifest(folder, repo, revision);
  if (!known && offline) throw notCached(repo, `the list of files at revision "${revision}"`, folder);
  const manifest = known ?? (await fetchManifest(request));
  const base = folderOfRepo(repo);
  if (!known) {
    await folder.writeText(`${base}/corenet/${manifest.commit}.json`, manifestJson(manifest));
    if (revision !== manifest.commit) await folder.writeText(`${base}/refs/${revision}`, manifest.commit);
  }

  const wanted = chooseFiles(manifest, files, repo);
  const openers: (() => Promise<ByteSource>)[] = [];
  const total = wanted.reduce((sum, file) => sum + file.size, 0);
  const progress = createProgress({ phase: "download", unit: "bytes", total, onProgress });
  for (const file of wanted) {
    const target = `${base}/blobs/${file.hash}`;
    const blob = { ...request, commit: manifest.commit, file };
    if ((await folder.size(target)) === file.size) progress.advance(file.size, file.path);
    else if (offline) throw notCached(repo, file.path, folder);
    else if (keep)
      await downloadBlob({ ...blob, folder, target, onBytes: (count) => progress.advance(count, file.path) });
    else {
      progress.advance(file.size, file.path);
      openers.push(() => remoteBlob(blob));
      continue;
    }
    const link = `${base}/snapshots/${manifest.commit}/${file.path}`;
    if ((await folder.size(link)) !== file.size) await folder.link(target, link);
    openers.push(() => folder.open(target, file.path));
  }
  progress.finish();
  return openAll(openers);
}

/** A file of the hub that is read there. */
function remoteBlob(blob: HubBlob): Promise<ByteSource> {
  const { fetch, file, signal, token } = blob;
  return httpSource(blobUrl(blob), {
    ...{ name: file.path, signal },
    fetch: (url, init) => fetch(url, { ...init, headers: { ...init?.headers, ...hubHeaders(token) } }),
  });
}

async function cachedManifest(
  folder: CacheFolder,
  repo: string,
  revision: string,
): Promise<HubManifest | undefined> {
  const base = folderOfRepo(repo);
  const isCommit = /^[0-9a-f]{40}$/.test(revision);
  const commit = isCommit ? revision : (await folder.readText(`${base}/refs/${revision}`))?.trim();
  if (!commit || !/^[0-9a-f]{40}$/.test(commit)) return undefined;
  const path = `${base}/corenet/${commit}.json`;
  const text = await folder.readText(path);
  return text === undefined ? undefined : parseManifest(JSON.parse(text), path);
}

function chooseFiles(manifest: HubManifest, patterns: readonly string[], repo: string): HubFile[] {
  const matchers = patterns.map(matcher);
  const chosen = manifest.files.filter(({ path }) => matchers.some((matches) => matches(path)));
  const missing = patterns.filter(
    (pattern) => !pattern.includes("*") && !chosen.some(({ path }) => path === pattern),
  );
  const absent = patterns === modelFiles ? [] : missing; // of the usual files a model has some
  if (absent.length === 0 && chosen.length > 0) return chosen;
  const holds = manifest.files.map(({ path }) => path);
  throw new IoError(
    `hub: ${repo} has no ${(absent.length > 0 ? absent : patterns).join(", ")} at commit ${manifest.commit}; ` +
      `it holds ${holds.slice(0, 20).join(", ") || "nothing"}${holds.length > 20 ? ", …" : ""}. Name files of it.`,
    { path: repo },
  );
}

/** A pattern in which `*` stands for any characters but `/`. */
function matcher(pattern: string): (path: string) => boolean {
  const source = pattern.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  const expression = new RegExp(`^${source.join("[^/]*")}$`);
  return (path) => expression.test(path);
}

function notCached(repo: string, what: string, folder: CacheFolder): IoError {
  return new IoError(
    `hub: ${what} of ${repo} is not in the cache ${folder.name}, and offline forbids to fetch it. ` +
      "Run once without `offline`, or copy the cache here.",
    { path: repo },
  );
}
