import { BackendError } from "@corenet/core";
import { expect, test } from "vitest";
import { checkTfjs } from "./check-tfjs.ts";

test("accepts the version that we know, and no other", () => {
  expect(() => checkTfjs()).not.toThrow();
  expect(() => checkTfjs("4.20.0")).toThrow(BackendError);
  expect(() => checkTfjs("4.20.0")).toThrow("is 4.20.0 here, expected 4.22.0. Run npm install");
});
