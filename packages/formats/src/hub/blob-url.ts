import type { HubFile, HubRequest } from "./hub-manifest.ts";

/** A file of a repository on the hub, at a commit. */
export interface HubBlob extends HubRequest {
  readonly commit: string;
  readonly file: HubFile;
}

export function blobUrl({ endpoint, repo, commit, file }: HubBlob): string {
  return `${endpoint}/${repo}/resolve/${commit}/${file.path.split("/").map(encodeURIComponent).join("/")}`;
}
