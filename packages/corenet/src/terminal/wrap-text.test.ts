import { expect, test } from "vitest";
import { wrapText } from "./wrap-text.ts";

test("breaks at blanks, and leaves long words whole", () => {
  expect(wrapText("one two three", 7)).toEqual(["one two", "three"]);
  expect(wrapText("one two three", 80)).toEqual(["one two three"]);
  expect(wrapText("a incomprehensible b", 5)).toEqual(["a", "incomprehensible", "b"]);
  expect(wrapText("", 5)).toEqual([""]);
});
