import { getEventListeners } from "node:events";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { AbortError, abortable, isAbortError, sleep, throwIfAborted } from "./abort.ts";

const unhandled: unknown[] = [];
const note = (error: unknown) => unhandled.push(error);
beforeEach(() => {
  unhandled.length = 0;
  process.on("unhandledRejection", note);
});
afterEach(async () => {
  await new Promise((resolve) => setTimeout(resolve, 5)); // unhandled rejections are told between macrotasks
  process.off("unhandledRejection", note);
  expect(unhandled).toEqual([]);
});
const listeners = (signal: AbortSignal) => getEventListeners(signal, "abort").length;

test("throwIfAborted throws the reason itself", () => {
  const reason = { why: "enough" };
  expect(() => throwIfAborted()).not.toThrow();
  expect(() => throwIfAborted(new AbortController().signal)).not.toThrow();
  try {
    throwIfAborted(AbortSignal.abort(reason));
    expect.unreachable();
  } catch (error) {
    expect(error).toBe(reason);
  }
});

test("AbortError is the platform's", () => {
  const error = new AbortError();
  expect(error).toBeInstanceOf(DOMException);
  expect(error).toMatchObject({ name: "AbortError", code: DOMException.ABORT_ERR });
  expect(isAbortError(error)).toBe(true);
  expect(isAbortError(AbortSignal.abort().reason)).toBe(true);
  expect(isAbortError(new Error("no"))).toBe(false);
  expect(isAbortError(undefined)).toBe(false);
});

test("abortable passes the value or the error on, and leaves no listener", async () => {
  const { signal } = new AbortController();
  await expect(abortable(Promise.resolve(1))).resolves.toBe(1);
  await expect(abortable(Promise.resolve(1), signal)).resolves.toBe(1);
  await expect(abortable(Promise.reject(new Error("bad")), signal)).rejects.toThrow("bad");
  expect(listeners(signal)).toBe(0);
});

test("abortable rejects at once when the signal aborts, whatever the promise does later", async () => {
  const controller = new AbortController();
  let fail: (error: Error) => void = () => {};
  const late = new Promise<never>((_, reject) => {
    fail = reject;
  });
  const waiting = abortable(late, controller.signal);
  expect(listeners(controller.signal)).toBe(1);
  controller.abort(new Error("stop"));
  await expect(waiting).rejects.toThrow("stop");
  expect(listeners(controller.signal)).toBe(0);
  fail(new Error("too late"));
});

test("abortable with an aborted signal rejects, also when the promise rejects too", async () => {
  const signal = AbortSignal.abort(new Error("stop"));
  await expect(abortable(Promise.resolve(1), signal)).rejects.toThrow("stop");
  await expect(abortable(Promise.reject(new Error("bad")), signal)).rejects.toThrow("stop");
  await expect(abortable(new Promise(() => {}), signal)).rejects.toThrow("stop");
  expect(listeners(signal)).toBe(0);
});

test("sleep waits, and an abort ends it without a timer left", async () => {
  vi.useFakeTimers();
  try {
    let awake = false;
    const waiting = sleep(1000).then(() => {
      awake = true;
    });
    await vi.advanceTimersByTimeAsync(999);
    expect(awake).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    await waiting;

    const controller = new AbortController();
    const cut = sleep(1000, { signal: controller.signal });
    controller.abort(new Error("stop"));
    await expect(cut).rejects.toThrow("stop");
    expect(vi.getTimerCount()).toBe(0);
    expect(listeners(controller.signal)).toBe(0);

    await expect(sleep(1000, { signal: AbortSignal.abort(new Error("before")) })).rejects.toThrow("before");
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});

test("sleep refuses what a timer cannot hold", async () => {
  for (const ms of [-1, Number.NaN, 2 ** 31]) await expect(sleep(ms)).rejects.toThrow(`sleep: ms is ${ms}`);
});
