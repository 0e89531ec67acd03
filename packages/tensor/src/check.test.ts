import { ShapeError } from "@corenet/core";
import { expect, test } from "vitest";
import { onBackend } from "../../../tools/testing/index.ts";
import { checkDType, checkRank, checkShape, formatShape, resolveAxis } from "./check.ts";
import { ones } from "./ops/create.ts";

onBackend("cpu", () => {
  test("checkShape lets the right shape through, and any size where null stands", () => {
    const x = ones([2, 3]);
    checkShape("f: x", x, [2, 3]);
    checkShape("f: x", x, [null, 3]);
    checkShape("f: x", ones([]), []);
    checkShape("f: x", ones([0, 3]), [0, null]);
  });

  test("checkShape says what it saw, what it wanted, and the hint", () => {
    const x = ones([2, 3]);
    const wrong = (shape: (number | null)[], hint?: string) => () =>
      checkShape("rmsNorm: weight", x, shape, hint);
    expect(wrong([3, null], "Turn it.")).toThrow(
      "rmsNorm: weight has shape [2, 3], expected [3, any]. Turn it.",
    );
    expect(wrong([2])).toThrow("rmsNorm: weight has shape [2, 3], expected [2].");
    expect(wrong([])).toThrow(ShapeError);
    expect(wrong([2, 3, 1])).toThrow(RangeError);
  });

  test("checkDType names what is allowed", () => {
    const x = ones([1]);
    checkDType("f: x", x, "int32", "float32");
    expect(() => checkDType("f: x", x, "int32", "bool")).toThrow(
      "f: x is float32, expected int32 or bool. Convert it with cast.",
    );
  });

  test("checks name a disposed tensor, and what is none", () => {
    const gone = ones([4]);
    gone.dispose();
    expect(() => checkShape("f: x", gone, [4])).toThrow(
      "f: x of shape [4] was disposed before, expected a living tensor.",
    );
    for (const [value, text] of [
      [null, "null"],
      [undefined, "undefined"],
      [3, "a number"],
      [{}, "a Object"],
      [new Map(), "a Map"],
    ]) {
      expect(() => checkShape("f: x", value as never, [])).toThrow(
        `f: x is ${text}, expected a tensor. Make one with tensor(values).`,
      );
    }
  });

  test("resolveAxis counts from either end", () => {
    expect([0, 2, -1, -3].map((axis) => resolveAxis("f", axis, 3))).toEqual([0, 2, 2, 0]);
    for (const axis of [3, -4, 0.5, Number.NaN]) {
      expect(() => resolveAxis("f", axis, 3)).toThrow(`f: axis is ${axis}, expected an integer in [-3, 3).`);
    }
  });

  test("rank 7 is too much", () => {
    checkRank("f", 6);
    expect(() => checkRank("f", 7)).toThrow(
      "f: the rank is 7, expected at most 6. Merge dimensions with reshape.",
    );
    expect(formatShape([1, null])).toBe("[1, any]");
  });
});
