/** @throws RangeError when `repo` is not `owner/name` */
export function checkRepo(repo: string): void {
  // "--" would end the owner in the folder's name, and dots alone are folders of their own.
  const part = "(?!.*--)(?!\\.+(?:/|$))[A-Za-z0-9._-]+";
  if (new RegExp(`^${part}/${part}$`).test(repo)) return;
  throw new RangeError(
    `hub: repository is "${repo}", expected "owner/name" such as "apple/OpenELM-270M". Copy it from the model's page.`,
  );
}

/** The folder of a model inside the cache, named as Python's huggingface_hub does. */
export function folderOfRepo(repo: string): string {
  return `models--${repo.replace("/", "--")}`;
}

/** @throws RangeError when `revision` is not a branch, tag or commit */
export function checkRevision(revision: string): void {
  if (isInside(revision) && /^[\w./-]+$/.test(revision)) return;
  throw new RangeError(
    `hub: revision is ${JSON.stringify(revision)}, expected a branch, tag or commit such as "main". ` +
      "Look at the model's page under Files.",
  );
}

/** A relative path that stays below its start on every system. */
export function isInside(path: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what we look for
  if (path === "" || path.length > 1000 || /[\\:\u0000-\u001f]/.test(path)) return false;
  return path.split("/").every((part) => part !== "" && part !== "." && part !== "..");
}
