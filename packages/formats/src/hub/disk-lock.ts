import { sleep, throwIfAborted } from "@corenet/core";
import { fileError } from "../file-error.ts";
import { nodeFs } from "../node-builtin.ts";

const touchMs = 5_000;
const staleMs = 30_000; // of a holder that is gone and cannot be asked: another machine, a container, a stopped thread
const pollMs = 50;

/**
 * Does `work` while it holds the lock `path` (Node): of all who want it, in this process and others, one goes on and
 * the rest wait. It is a file that names its holder and is touched as long as it is held; that of a dead process on
 * this machine is taken over at once, any other when nobody has touched it for 30 s.
 *
 * @throws IoError when the file cannot be made
 */
export async function withDiskLock<T>(
  path: string,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  const fs = nodeFs("withDiskLock", path);
  const holder = `${thisMachine()} ${process.pid} ${crypto.randomUUID()}`;
  let seen = { state: "", since: 0 };
  for (;;) {
    throwIfAborted(signal);
    const made = await fs.writeFile(path, holder, { flag: "wx" }).then(
      () => true,
      (cause) => {
        if (cause.code === "EEXIST") return false;
        throw fileError("hub cache", path, "write", cause);
      },
    );
    if (made) break;
    const state = await stateOf(path);
    if (state === undefined) continue; // let go meanwhile
    if (state !== seen.state) seen = { state, since: performance.now() };
    if (isDead(state) || performance.now() - seen.since > staleMs) await fs.rm(path, { force: true });
    else await sleep(pollMs, signal ? { signal } : {});
  }
  const touching = setInterval(() => {
    const now = new Date();
    fs.utimes(path, now, now).catch(() => {}); // removed by hand: the next touch fails too
  }, touchMs);
  touching.unref();
  try {
    return await work();
  } finally {
    clearInterval(touching);
    const mine = (await fs.readFile(path, "utf8").catch(() => "")) === holder; // else it was taken for stale
    if (mine) await fs.rm(path, { force: true });
  }
}

/** Who holds it and when it was touched last; undefined where nobody does. */
async function stateOf(path: string): Promise<string | undefined> {
  const fs = nodeFs("withDiskLock", path);
  try {
    return `${await fs.readFile(path, "utf8")} ${(await fs.stat(path)).mtimeMs}`;
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined;
    throw fileError("hub cache", path, "read", cause);
  }
}

/** Whether the holder was a process of this machine that is no more. */
function isDead(state: string): boolean {
  const [machine, pid] = state.split(" ");
  if (machine !== thisMachine()) return false;
  try {
    process.kill(Number(pid), 0); // sends nothing
    return false;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "ESRCH";
  }
}

function thisMachine(): string {
  return process.getBuiltinModule("node:os").hostname();
}
