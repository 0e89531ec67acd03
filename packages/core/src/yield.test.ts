import { afterEach, expect, test, vi } from "vitest";
import { yieldToEventLoop } from "./yield.ts";

afterEach(() => vi.unstubAllGlobals());

/** Whether a timer that is due fires while `loop` spins for at most 200 turns. */
async function timerFires(turn: () => Promise<void>): Promise<boolean> {
  let fired = false;
  const timer = setTimeout(() => {
    fired = true;
  }, 0);
  const start = performance.now();
  while (!fired && performance.now() < start + 200) await turn();
  clearTimeout(timer);
  return fired;
}

test("lets timers run, which promises alone do not", async () => {
  expect(await timerFires(yieldToEventLoop)).toBe(true);
  expect(await timerFires(() => Promise.resolve())).toBe(false);
});

test("lets timers run where there is no setImmediate", async () => {
  vi.stubGlobal("setImmediate", undefined);
  expect(await timerFires(yieldToEventLoop)).toBe(true);
});

test("goes on sooner than a timer, which waits milliseconds", async () => {
  const timeOf200 = async (turn: () => Promise<unknown>) => {
    const start = performance.now();
    for (let i = 0; i < 200; i++) await turn();
    return performance.now() - start;
  };
  const byTimers = await timeOf200(() => new Promise((resolve) => setTimeout(resolve, 0)));
  expect(await timeOf200(yieldToEventLoop)).toBeLessThan(byTimers);
});
