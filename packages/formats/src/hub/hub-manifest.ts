import { abortable, FormatError, IoError, throwIfAborted } from "@corenet/core";
import { isRecord } from "../is-record.ts";
import type { HashKind } from "./content-hash.ts";
import { isInside } from "./hub-repo.ts";

/** One file of a repository on the hub. */
export interface HubFile {
  /** Path inside the repository. */
  readonly path: string;
  readonly size: number;
  readonly hashKind: HashKind;
  /** Of the content, lower-case hexadecimal; also the name under which the cache keeps it. */
  readonly hash: string;
}

/** What a repository holds at one commit. */
export interface HubManifest {
  readonly commit: string;
  readonly files: readonly HubFile[];
}

export interface HubRequest {
  /** `owner/name` */
  readonly repo: string;
  /** Branch, tag or commit. */
  readonly revision: string;
  readonly endpoint: string;
  readonly token: string | undefined;
  readonly fetch: typeof fetch;
  readonly signal: AbortSignal | undefined;
}

const maxBytes = 32 * 2 ** 20; // a list of some hundred thousand files

/** Headers of every request to the hub. */
export function hubHeaders(token: string | undefined): Record<string, string> {
  return token === undefined ? {} : { authorization: `Bearer ${token}` };
}

/**
 * Asks the hub what a repository holds: one request.
 *
 * @throws IoError when there is no answer, no such repository or revision, or no permission
 * @throws FormatError when the answer is not such a list
 */
export async function fetchManifest(request: HubRequest): Promise<HubManifest> {
  const { repo, revision, endpoint, token, fetch, signal } = request;
  const url = `${endpoint}/api/models/${repo}/revision/${encodeURIComponent(revision)}?blobs=true`;
  const fail = (text: string, cause?: unknown) =>
    new IoError(`hub: ${text}`, cause === undefined ? { path: url } : { path: url, cause });
  throwIfAborted(signal);
  let response: Response;
  try {
    const init = { headers: hubHeaders(token) };
    response = await abortable(fetch(url, signal ? { ...init, signal } : init), signal);
  } catch (cause) {
    throwIfAborted(signal);
    throw fail(
      `${endpoint} gave no answer for ${repo}: ${cause}. ` +
        "Check the connection; what is in the cache can be used with `offline: true`.",
      cause,
    );
  }
  if (!response.ok) {
    response.body?.cancel().catch(() => {}); // we have our error already
    throw fail(reasonOf(response.status, request));
  }
  const text = await abortable(response.text(), signal);
  if (text.length > maxBytes) throw fail(`the list of files of ${repo} has ${text.length} characters.`);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    const start = JSON.stringify(text.slice(0, 40));
    throw new FormatError(
      `hub: ${url} answered ${start}, expected JSON. Is ${endpoint} a hub? Pass its address as \`endpoint\`.`,
      { file: url, cause },
    );
  }
  return parseManifest(json, url);
}

function reasonOf(status: number, { repo, revision, endpoint, token }: HubRequest): string {
  if (status === 401 || status === 403 || status === 404) {
    const login =
      token === undefined ? "it is gated or private and needs `token`" : "the token may not read it";
    return (
      `${endpoint} has no model "${repo}" at revision "${revision}" for us (status ${status}): ` +
      `the name is wrong, or ${login}. Look at ${endpoint}/${repo}.`
    );
  }
  return `${endpoint} answered ${status} for ${repo}, expected 200. Try again later.`;
}

/**
 * The list of files from the hub's JSON, or from our own copy of it.
 *
 * @throws FormatError when a part is missing, or a path leads out of the repository
 */
export function parseManifest(json: unknown, where: string): HubManifest {
  const broken = (what: string) =>
    new FormatError(`hub: ${where} ${what}. Is it a model repository of a hub?`, { file: where });
  const { sha, siblings } = isRecord(json) ? json : {};
  if (typeof sha !== "string" || !/^[0-9a-f]{40}$/.test(sha))
    throw broken(`names the commit ${JSON.stringify(sha)}`);
  if (!Array.isArray(siblings)) throw broken("lists no files");
  const files = siblings.map((sibling: unknown): HubFile => {
    const { rfilename, size, blobId, lfs } = isRecord(sibling) ? sibling : {};
    if (typeof rfilename !== "string" || !isInside(rfilename)) {
      throw broken(`lists a file ${JSON.stringify(rfilename)}, expected a path inside the repository`);
    }
    const large = isRecord(lfs) ? lfs : undefined;
    const length = large?.size ?? size;
    if (typeof length !== "number" || !Number.isSafeInteger(length) || length < 0) {
      throw broken(`gives ${rfilename} the size ${JSON.stringify(length)}`);
    }
    const hash = large ? large.sha256 : blobId;
    if (typeof hash !== "string" || !(large ? /^[0-9a-f]{64}$/ : /^[0-9a-f]{40}$/).test(hash)) {
      throw broken(`gives ${rfilename} the hash ${JSON.stringify(hash)}`);
    }
    return { path: rfilename, size: length, hashKind: large ? "sha256" : "git-sha1", hash };
  });
  return { commit: sha, files };
}

/** The JSON that `parseManifest` reads. */
export function manifestJson({ commit, files }: HubManifest): string {
  const siblings = files.map(({ path, size, hashKind, hash }) =>
    hashKind === "sha256"
      ? { rfilename: path, size, lfs: { size, sha256: hash } }
      : { rfilename: path, size, blobId: hash },
  );
  return JSON.stringify({ sha: commit, siblings });
}
