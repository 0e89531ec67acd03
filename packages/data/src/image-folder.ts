import { FormatError, IoError, throwIfAborted } from "@corenet/core";
import { fileSource } from "@corenet/formats";
import { type CandidateFile, collectSamples, type ImageFolder, type ScanOptions } from "./image-samples.ts";

/**
 * The labelled images of a folder on disk (Node): one subfolder per class, as torchvision and Keras have it. JPEG or PNG
 * is decided by the first bytes of each file, not by its name, at any depth inside a class. Names that start with a dot are
 * not looked at; the folder of a class, and a file, may be a link.
 *
 * @throws IoError when a folder or file cannot be read, and outside Node
 * @throws FormatError when there are no classes, a class without images, or a file beside the classes
 */
export async function imageFolder(path: string, options: ScanOptions = {}): Promise<ImageFolder> {
  const { signal } = options;
  const classNames: string[] = [];
  const files: CandidateFile[] = [];
  for (const { name, kind } of await listFolder(path)) {
    if (kind !== "folder") {
      throw new FormatError(
        `imageFolder: ${path} has the file ${name} beside its classes, expected folders only. ` +
          "Move it into the folder of its class, or away.",
        { file: `${path}/${name}` },
      );
    }
    classNames.push(name);
    for await (const file of filesBelow(`${path}/${name}`, signal)) {
      files.push({ path: file, className: name, open: () => fileSource(file) });
    }
  }
  return collectSamples("imageFolder", path, classNames, files, options);
}

async function* filesBelow(folder: string, signal: AbortSignal | undefined): AsyncGenerator<string> {
  throwIfAborted(signal);
  for (const { name, kind, isLink } of await listFolder(folder)) {
    const path = `${folder}/${name}`;
    if (kind === "file") yield path;
    else if (kind === "folder" && !isLink) yield* filesBelow(path, signal); // a link could lead back up
  }
}

interface Entry {
  name: string;
  kind: "file" | "folder" | "other";
  isLink: boolean;
}

/** What a folder holds, without hidden names; links stand for what they lead to. */
async function listFolder(path: string): Promise<Entry[]> {
  const fs = globalThis.process?.getBuiltinModule?.("node:fs/promises");
  if (!fs) {
    throw new IoError(
      `imageFolder: cannot open ${path}: paths need Node 22.3 or later. In a browser use imageFiles.`,
      { path },
    );
  }
  try {
    const entries = await fs.readdir(path, { withFileTypes: true });
    const visible = entries.filter(({ name }) => !name.startsWith("."));
    return await Promise.all(
      visible.map(async (entry): Promise<Entry> => {
        const isLink = entry.isSymbolicLink();
        const target = isLink ? await fs.stat(`${path}/${entry.name}`) : entry;
        const kind = target.isDirectory() ? "folder" : target.isFile() ? "file" : "other";
        return { name: entry.name, kind, isLink };
      }),
    );
  } catch (cause) {
    const reason = cause instanceof Error && "code" in cause ? cause.code : cause;
    throw new IoError(
      `imageFolder: cannot list ${path}: ${reason}, expected a folder that may be read. Check the path and its links.`,
      { path, cause },
    );
  }
}
