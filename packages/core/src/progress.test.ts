import fc from "fast-check";
import { expect, test, vi } from "vitest";
import { createProgress, type Progress } from "./progress.ts";

/** A reporter on a clock that the test moves. */
function recorded(total?: number) {
  const events: Progress[] = [];
  const clock = { ms: 1000 };
  const progress = createProgress({
    phase: "read",
    unit: "bytes",
    ...(total === undefined ? {} : { total }),
    onProgress: (event) => events.push(event),
    now: () => clock.ms,
  });
  return { events, clock, progress };
}

test("estimates the time left from the mean speed", () => {
  const { events, clock, progress } = recorded(100);
  clock.ms += 500;
  progress.advance(25, "layer.0");
  expect(events).toEqual([
    { phase: "read", unit: "bytes", done: 25, total: 100, item: "layer.0", etaMs: 1500 },
  ]);
});

test("reports at most once per interval", () => {
  const { events, clock, progress } = recorded(1000);
  for (let i = 0; i < 500; i++) {
    clock.ms += 1;
    progress.advance(1);
  }
  expect(events.length).toBe(5);
});

test("is monotone and ends once, with done = total", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(50), fc.nat(200))), fc.boolean(), (steps, known) => {
      const sum = steps.reduce((all, [amount]) => all + amount, 0);
      const { events, clock, progress } = recorded(known ? sum : undefined);
      for (const [amount, ms] of steps) {
        clock.ms += ms;
        progress.advance(amount);
      }
      progress.finish();
      progress.finish();
      const done = events.map((event) => event.done);
      expect(done).toEqual([...done].sort((a, b) => a - b));
      expect(events.at(-1)?.done).toBe(sum);
      expect(events.at(-1)?.total).toBe(known ? sum : undefined);
      if (known && sum > 0) expect(done.filter((value) => value === sum)).toHaveLength(1);
    }),
  );
});

test("costs no clock without a listener", () => {
  const now = vi.fn(() => 0);
  const progress = createProgress({ phase: "read", unit: "bytes", total: 2, now });
  progress.advance(2);
  progress.finish();
  expect(now).not.toHaveBeenCalled();
});

test("refuses what cannot be", () => {
  const { progress } = recorded(10);
  expect(() => progress.advance(-1)).toThrow("amount is -1");
  expect(() => progress.advance(Number.NaN)).toThrow("amount is NaN");
  expect(() => progress.advance(11)).toThrow("read would be at 11 of 10 bytes");
  expect(() => createProgress({ phase: "p", unit: "u", total: -1 })).toThrow("total is -1");
});
