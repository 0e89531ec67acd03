import { createProgress, FormatError, type OnProgress, throwIfAborted } from "@corenet/core";
import type { ByteSource, ReadOptions } from "@corenet/formats";
import { imageFormat, magicBytes } from "./image-format.ts";

/** One file and the index of its class. */
export interface ImageSample {
  readonly path: string;
  /** Index into `classes`. */
  readonly label: number;
}

/** Labelled images, still as files. */
export interface ImageFolder {
  /** Sorted by their UTF-16 code units, as Python's `sorted` does for names in the basic plane. */
  readonly classes: readonly string[];
  /** By class, then sorted by path. */
  readonly samples: readonly ImageSample[];
  /** Files inside classes that are neither JPEG nor PNG by their content. */
  readonly skipped: readonly string[];
  /** How many samples there are. */
  readonly length: number;
  /**
   * The file's own bytes, not decoded.
   *
   * @throws RangeError when there is no such sample
   * @throws IoError when the file cannot be read
   */
  read(index: number, options?: ReadOptions): Promise<Uint8Array<ArrayBuffer>>;
}

export interface ScanOptions {
  signal?: AbortSignal | undefined;
  /** Told about every file that is looked at. */
  onProgress?: OnProgress | undefined;
}

/** A file that may be an image. */
export interface CandidateFile {
  path: string;
  className: string;
  open(): Promise<ByteSource>;
}

const filesAtOnce = 16;

/**
 * Looks at the first bytes of every file and keeps the images.
 *
 * @param who - for error texts
 * @param root - names the whole in error texts
 * @throws FormatError when there is no class, or one without images
 */
export async function collectSamples(
  who: string,
  root: string,
  classNames: Iterable<string>,
  files: readonly CandidateFile[],
  options: ScanOptions,
): Promise<ImageFolder> {
  const classes = [...new Set(classNames)].sort(byCodeUnits);
  if (classes.length === 0) {
    throw new FormatError(
      `${who}: ${root} has no classes, expected one folder of images per class. Put each class into its own folder.`,
      { file: root },
    );
  }
  const labels = new Map(classes.map((name, label) => [name, label]));
  const labelOf = ({ className }: CandidateFile) => labels.get(className) as number;
  const sorted = [...files].sort((a, b) => labelOf(a) - labelOf(b) || byCodeUnits(a.path, b.path));
  const isImage = await lookAtAll(sorted, options);

  const kept = sorted.filter((_, i) => isImage[i]);
  const skipped = sorted.filter((_, i) => !isImage[i]).map(({ path }) => path);
  const samples = kept.map((file): ImageSample => ({ path: file.path, label: labelOf(file) }));
  const seen = new Set(samples.map(({ label }) => label));
  const empty = classes.filter((_, label) => !seen.has(label));
  if (empty.length > 0) {
    throw new FormatError(
      `${who}: ${root} has no JPEG or PNG in ${empty.length} of ${classes.length} classes: ` +
        `${empty.slice(0, 5).join(", ")}${empty.length > 5 ? ", …" : ""}. Add images, or remove the folders.`,
      { file: root },
    );
  }

  return {
    classes,
    samples,
    skipped,
    length: samples.length,
    async read(index, readOptions = {}) {
      const file = kept[index];
      if (!file) {
        throw new RangeError(
          `${who}: asked for sample ${index} of ${root}, which has ${kept.length}. Use 0 to ${kept.length - 1}.`,
        );
      }
      throwIfAborted(readOptions.signal);
      const source = await file.open();
      try {
        return await source.read(0, source.size, readOptions);
      } finally {
        await source.close();
      }
    },
  };
}

async function lookAtAll(files: readonly CandidateFile[], options: ScanOptions): Promise<boolean[]> {
  const { signal, onProgress } = options;
  const progress = createProgress({ phase: "scan", total: files.length, unit: "files", onProgress });
  const isImage = new Array<boolean>(files.length).fill(false);
  let next = 0;
  let failed = false;
  async function worker(): Promise<void> {
    while (next < files.length && !failed) {
      throwIfAborted(signal);
      const index = next++;
      const file = files[index] as CandidateFile;
      isImage[index] = await looksLikeImage(file, signal);
      progress.advance(1, file.path);
    }
  }
  await Promise.all(
    Array.from({ length: filesAtOnce }, () =>
      worker().catch((error) => {
        failed = true;
        throw error;
      }),
    ),
  );
  throwIfAborted(signal);
  progress.finish();
  return isImage;
}

async function looksLikeImage({ open }: CandidateFile, signal: AbortSignal | undefined): Promise<boolean> {
  const source = await open();
  try {
    const start = await source.read(0, Math.min(magicBytes, source.size), { signal });
    return imageFormat(start) !== undefined;
  } finally {
    await source.close();
  }
}

function byCodeUnits(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
