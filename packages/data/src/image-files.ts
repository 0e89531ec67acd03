import { FormatError } from "@corenet/core";
import { blobSource } from "@corenet/formats";
import { type CandidateFile, collectSamples, type ImageFolder, type ScanOptions } from "./image-samples.ts";

/** A file with its path from the folder that holds the classes: `cat/1.jpg`. */
export interface NamedBlob {
  name: string;
  blob: Blob;
}

/**
 * The labelled images among files that a user chose: `imageFolder` for the browser. Nothing is uploaded or held; bytes are
 * read when asked for.
 *
 * @param files - what `<input type="file" webkitdirectory>` gives, whose paths begin with the chosen folder; or blobs with
 *   names, whose first part is the class
 * @throws FormatError when there are no classes, a class without images, or a file beside the classes
 * @throws IoError when a file cannot be read any more
 */
export async function imageFiles(
  files: Iterable<File | NamedBlob>,
  options: ScanOptions = {},
): Promise<ImageFolder> {
  const candidates: CandidateFile[] = [];
  for (const file of files) {
    const { path, blob } = "blob" in file ? { path: file.name, blob: file.blob } : chosenFile(file);
    const parts = path.split("/");
    if (parts.some((part) => part.startsWith("."))) continue;
    const [className] = parts;
    if (className === undefined || parts.length < 2) {
      throw new FormatError(
        `imageFiles: ${path} lies beside the classes, expected class/file. Put it into the folder of its class.`,
        { file: path },
      );
    }
    candidates.push({ path, className, open: async () => blobSource(blob, { name: path }) });
  }
  const classNames = candidates.map(({ className }) => className);
  return collectSamples("imageFiles", "the selection", classNames, candidates, options);
}

/** A chosen file's path begins with the folder that was chosen. */
function chosenFile(file: File): { path: string; blob: Blob } {
  const path = file.webkitRelativePath;
  return { path: path ? path.slice(path.indexOf("/") + 1) : file.name, blob: file };
}
