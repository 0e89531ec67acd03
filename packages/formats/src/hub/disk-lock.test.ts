import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { withDiskLock } from "./disk-lock.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "corenet-lock-"));
});
afterEach(() => {
  vi.useRealTimers();
  rmSync(folder, { recursive: true });
});

test("lets one work after the other, and leaves nothing", async () => {
  const lock = join(folder, "lock");
  let [inside, most] = [0, 0];
  const work = async () => {
    most = Math.max(most, ++inside);
    await setImmediate();
    inside -= 1;
  };
  await Promise.all(Array.from({ length: 8 }, () => withDiskLock(lock, undefined, work)));
  expect(most).toBe(1);
  await expect(withDiskLock(lock, undefined, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
  expect(readdirSync(folder)).toEqual([]);
});

test("takes over from a holder elsewhere that has shown no life for 30 s, not earlier", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  const lock = join(folder, "lock");
  writeFileSync(lock, "another-machine 1 of old");
  let isDone = false;
  const done = withDiskLock(lock, undefined, async () => {
    isDone = true;
  });
  const begin = performance.now();
  while (!isDone && performance.now() < begin + 60_000) {
    await vi.advanceTimersByTimeAsync(10);
    await setImmediate();
  }
  expect(performance.now() - begin).toBeGreaterThan(30_000);
  await done;
});

test("says why where no lock can be made", async () => {
  await expect(withDiskLock(join(folder, "missing/lock"), undefined, async () => {})).rejects.toThrow(
    /cannot write .*missing\/lock/,
  );
});
