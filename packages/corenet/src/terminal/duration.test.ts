import { expect, test } from "vitest";
import { formatDuration } from "./duration.ts";

test("speaks as people do", () => {
  expect([0, 4400, 59_600, 125_000, 3_725_000].map(formatDuration)).toEqual([
    "0 s",
    "4 s",
    "1:00",
    "2:05",
    "1:02:05",
  ]);
});
