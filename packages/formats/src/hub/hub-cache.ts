import type { CacheFolder } from "./cache-folder.ts";
import { defaultCacheFolder } from "./default-cache-folder.ts";
import { checkRepo, folderOfRepo } from "./hub-repo.ts";

/** A model in the cache. */
export interface CachedModel {
  /** `owner/name` */
  readonly repo: string;
  /** Bytes on disk, unfinished downloads included. */
  readonly sizeBytes: number;
  /** Branches and tags that are known here, with their commits. */
  readonly revisions: Readonly<Record<string, string>>;
}

/** What the cache of the hub holds. */
export interface HubCache {
  /** Where it is. */
  readonly name: string;
  list(): Promise<CachedModel[]>;
  /** Removes a model with all its revisions; nothing happens where it is not there. */
  delete(repo: string): Promise<void>;
  /** Bytes used by all models; in a browser also the quota that remains for this site. */
  estimate(): Promise<{ usedBytes: number; freeBytes?: number }>;
}

/**
 * The cache that `openHub` fills. In Node it has the layout of Python's huggingface_hub, and is the same folder.
 *
 * @param cache - a folder (Node), or a name in the browser's private file system. @default as `openHub`
 */
export function hubCache(cache?: string): HubCache {
  const folder = defaultCacheFolder(cache);

  async function list(): Promise<CachedModel[]> {
    const sizes = new Map<string, number>();
    for (const { path, size } of await folder.list("")) {
      const [, owner, name] = /^models--([^/]+)--([^/]+)\//.exec(path) ?? [];
      if (!owner || !name) continue;
      const repo = `${owner}/${name}`;
      sizes.set(repo, (sizes.get(repo) ?? 0) + size);
    }
    return Promise.all(
      [...sizes].map(async ([repo, sizeBytes]) => ({
        repo,
        sizeBytes,
        revisions: await revisionsOf(folder, repo),
      })),
    );
  }

  return {
    name: folder.name,
    list,
    async delete(repo) {
      checkRepo(repo);
      await folder.remove(folderOfRepo(repo));
    },
    async estimate() {
      const usedBytes = (await list()).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
      const { quota, usage } = (await globalThis.navigator?.storage?.estimate?.()) ?? {};
      return quota === undefined ? { usedBytes } : { usedBytes, freeBytes: quota - (usage ?? 0) };
    },
  };
}

async function revisionsOf(folder: CacheFolder, repo: string): Promise<Record<string, string>> {
  const refs = `${folderOfRepo(repo)}/refs`;
  const revisions: Record<string, string> = {};
  for (const { path } of await folder.list(refs)) {
    const commit = await folder.readText(path);
    if (commit !== undefined) revisions[path.slice(refs.length + 1)] = commit.trim();
  }
  return revisions;
}
