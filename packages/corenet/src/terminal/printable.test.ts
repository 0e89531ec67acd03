import { expect, test } from "vitest";
import { printable } from "./printable.ts";

const write = () => {};

test("control characters become visible on a terminal, and nothing else changes", () => {
  const text = "a\x1b[2J\r\n\tb\x7f\x9b\x00 é日🙂";
  expect(printable(text, { isTTY: true, write })).toBe("a␛[2J␍\n\tb␡\ufffd␀ é日🙂");
  expect(printable(text, { write })).toBe(text);
});
