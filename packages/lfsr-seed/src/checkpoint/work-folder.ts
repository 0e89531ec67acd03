import { CheckpointError } from "@corenet/core";
import { fileError, fileSink, makeFolder } from "@corenet/formats";
import { nodeFs, nodePath } from "./node-modules.ts";

/**
 * Where an unfinished compression lies: `<out>.partial`, beside the folder that it becomes.
 *
 * - `run.json`: what the codes depend on
 * - `<n>.codes`: the journal of tensor n
 * - `<n>.safetensors`: tensor n, finished
 * - `result/`: what is renamed to `out` at the end
 */
export class WorkFolder {
  readonly out: string;
  readonly path: string;
  readonly result: string;

  private constructor(out: string) {
    this.out = out;
    this.path = `${out}.partial`;
    this.result = nodePath("compressCheckpoint", out).join(this.path, "result");
  }

  /** @throws CheckpointError when `out` is the source, or there, not empty, and not to be replaced */
  static async claim(options: { source: string; out: string; overwrite: boolean }): Promise<WorkFolder> {
    const { source, out, overwrite } = options;
    const { readdir, realpath } = nodeFs("compressCheckpoint", out);
    const { dirname, resolve } = nodePath("compressCheckpoint", out);
    const real = (path: string) => realpath(path).catch(() => resolve(path));
    const sourcePath = await real(source);
    const outPath = await real(out);
    if (sourcePath === outPath || dirname(sourcePath) === outPath) {
      throw new CheckpointError(
        `compressCheckpoint: out is ${out}, where the source lies. Name another folder: the source is kept.`,
        { path: out },
      );
    }
    const names = await readdir(out).catch((cause) => {
      if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return [];
      throw fileError("compressCheckpoint", out, "read", cause);
    });
    if (names.length > 0 && !overwrite) {
      throw new CheckpointError(
        `compressCheckpoint: ${out} is there and holds ${names.slice(0, 3).join(", ")}, expected a new or empty folder. ` +
          "Name another, or allow overwriting.",
        { path: out },
      );
    }
    return new WorkFolder(resolve(out));
  }

  codes(index: number): string {
    return this.#join(`${index}.codes`);
  }

  part(index: number): string {
    return this.#join(`${index}.safetensors`);
  }

  /**
   * Whether an interrupted run lies here that this one may go on with.
   *
   * @throws CheckpointError when the one that lies here had other settings or another source
   */
  async canResume(fingerprint: string): Promise<boolean> {
    const { readFile } = nodeFs("compressCheckpoint", this.path);
    const before = await readFile(this.#join("run.json"), "utf8").catch(() => undefined);
    if (before === undefined || before === fingerprint) return before !== undefined;
    throw new CheckpointError(
      `compressCheckpoint: ${this.path} holds an interrupted run of another source or with other settings. ` +
        "Repeat it as it was, or start afresh, which drops what it did.",
      { path: this.path },
    );
  }

  /** Whether tensor `index` is finished. */
  async isFinished(index: number): Promise<boolean> {
    const { stat } = nodeFs("compressCheckpoint", this.path);
    return stat(this.part(index)).then(
      () => true,
      () => false,
    );
  }

  /** Makes the folder, empty, for a new run. */
  async create(fingerprint: string): Promise<void> {
    await this.remove();
    await makeFolder(this.path);
    const run = await fileSink(this.#join("run.json"));
    await run.write(new TextEncoder().encode(fingerprint));
    await run.close();
  }

  /** Puts `result` in the place of `out`, and removes the rest. */
  async commit(): Promise<void> {
    const { rename, rm } = nodeFs("compressCheckpoint", this.out);
    const before = `${this.path}/before`;
    try {
      await rename(this.out, before).catch((cause) => {
        if (!(cause instanceof Error && "code" in cause && cause.code === "ENOENT")) throw cause;
      });
      await rename(this.result, this.out).catch(async (cause) => {
        await rename(before, this.out).catch(() => {}); // the error that led here matters more
        throw cause;
      });
      await rm(this.path, { recursive: true, force: true });
    } catch (cause) {
      throw fileError("compressCheckpoint", this.out, "write", cause);
    }
  }

  async remove(): Promise<void> {
    const { rm } = nodeFs("compressCheckpoint", this.path);
    await rm(this.path, { recursive: true, force: true }).catch((cause) => {
      throw fileError("compressCheckpoint", this.path, "write", cause);
    });
  }

  #join(name: string): string {
    return nodePath("compressCheckpoint", this.path).join(this.path, name);
  }
}
