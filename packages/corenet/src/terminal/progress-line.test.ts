import { expect, test } from "vitest";
import { paintFor } from "./colors.ts";
import { progressLine } from "./progress-line.ts";

function terminal(isTTY: boolean, columns = 100) {
  const written: string[] = [];
  return { isTTY, columns, written, write: (text: string) => written.push(text) };
}

const facts = (step: number) => ({
  step,
  steps: 100,
  bitsPerByte: 2.5,
  tokensPerSecond: 4321.4,
  etaMs: 125_000,
});

test("writes a plain line every five seconds where there is no terminal", () => {
  let clock = 0;
  const out = terminal(false);
  const line = progressLine(out, paintFor(out, {}), () => clock);
  for (let step = 1; step <= 100; step++) {
    line.update(facts(step));
    clock += 200;
  }
  expect(out.written).toEqual(
    [1, 26, 51, 76, 100].map((step) => `step ${step}/100  loss 2.500 bits/byte  4321 tokens/s  2:05 left\n`),
  );
});

test("draws one bar over the other on a terminal, no wider than it is", () => {
  let clock = 0;
  const out = terminal(true, 90);
  const line = progressLine(out, paintFor(out, { NO_COLOR: "1" }), () => clock);
  for (const step of [1, 50, 100]) {
    line.update(facts(step));
    clock += 1000;
  }
  line.end();
  line.end();
  expect(out.written).toHaveLength(4);
  expect(out.written[1]).toContain("━━━━━━━━━━━━────────────");
  expect(out.written.at(-1)).toBe("\n");
  for (const text of out.written.slice(0, 3)) {
    expect(text.startsWith("\r")).toBe(true);
    expect(text.endsWith("\x1b[K")).toBe(true);
    expect(text.length - 4).toBeLessThan(90);
  }
});

test("keeps to a narrow terminal", () => {
  const out = terminal(true, 30);
  progressLine(out, paintFor(out, { NO_COLOR: "1" })).update(facts(7));
  expect(out.written[0]).toBe("\rstep 7/100  loss 2.500 bits/b\x1b[K");
});

test("paints on terminals only, and not with NO_COLOR", () => {
  expect(paintFor(terminal(true), {})("cyan", "x")).toBe("\x1b[36mx\x1b[39m");
  expect(paintFor(terminal(true), { NO_COLOR: "1" })("cyan", "x")).toBe("x");
  expect(paintFor(terminal(false), {})("cyan", "x")).toBe("x");
});
