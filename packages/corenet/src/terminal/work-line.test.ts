import { expect, test } from "vitest";
import { workLine } from "./work-line.ts";

/** A terminal that keeps what is written, and a clock. */
function desk(options: { isTTY?: boolean; columns?: number }) {
  const desk = { text: "", time: 0, ...options, write: (text: string) => (desk.text += text) };
  return { desk, line: workLine(desk, () => desk.time) };
}

test("draws one line over the other on a terminal, no wider than it is, and takes it away", () => {
  const { desk: screen, line } = desk({ isTTY: true, columns: 30 });
  line.onProgress({ phase: "download", done: 5e6, total: 2e7, unit: "bytes", etaMs: 61_000 });
  expect(screen.text).toBe(""); // it may be done at once
  screen.time = 1000;
  line.onProgress({ phase: "download", done: 5e6, total: 2e7, unit: "bytes", etaMs: 61_000 });
  expect(screen.text).toBe("\rdownload  25 %  5.00 MB of 20\x1b[K");
  screen.time = 1050;
  line.onProgress({ phase: "download", done: 6e6, total: 2e7, unit: "bytes" });
  expect(screen.text.split("\r")).toHaveLength(2);
  line.clear();
  line.clear();
  expect(screen.text.endsWith("\x1b[K\r\x1b[K")).toBe(true);
});

test("writes a plain line every five seconds where there is no terminal, and none for what is quick", () => {
  const { desk: log, line } = desk({});
  for (log.time = 0; log.time <= 11_000; log.time += 1000) {
    const done = log.time / 1000;
    line.onProgress({ phase: "score", done, total: 20, unit: "questions", etaMs: 9000, item: "x" });
  }
  line.clear();
  expect(log.text).toBe(
    "score  25 %  5 questions of 20 questions  9 s left  x\nscore  50 %  10 questions of 20 questions  9 s left  x\n",
  );
});

test("says what it can where the end is not known", () => {
  const { desk: log, line } = desk({});
  log.time = 5000;
  line.onProgress({ phase: "read", done: 12, unit: "files" });
  expect(log.text).toBe("read  12 files\n");
});
