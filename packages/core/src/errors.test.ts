import { expect, test } from "vitest";
import {
  BackendError,
  CheckpointError,
  CorenetError,
  DeviceLostError,
  FormatError,
  GpuError,
  IoError,
  NonFiniteError,
  OutOfMemoryError,
  ShapeError,
} from "./errors.ts";

const cause = new Error("underneath");

test.each([
  [new CorenetError("m", { cause }), "CorenetError", "CORENET"],
  [new ShapeError("m", { cause }), "ShapeError", "CORENET_SHAPE"],
  [new BackendError("m", { cause }), "BackendError", "CORENET_BACKEND"],
  [new DeviceLostError("m", { cause }), "DeviceLostError", "CORENET_DEVICE_LOST"],
  [new GpuError("m", { cause }), "GpuError", "CORENET_GPU"],
  [new OutOfMemoryError("m", { cause, requestedBytes: 8 }), "OutOfMemoryError", "CORENET_OUT_OF_MEMORY"],
  [new IoError("m", { cause, path: "/a" }), "IoError", "CORENET_IO"],
  [new FormatError("m", { cause, file: "a", tensor: "w" }), "FormatError", "CORENET_FORMAT"],
  [new CheckpointError("m", { cause, path: "/a" }), "CheckpointError", "CORENET_CHECKPOINT"],
  [new NonFiniteError("m", { cause, step: 3, parameter: "w" }), "NonFiniteError", "CORENET_NON_FINITE"],
])("%s keeps name, code, message and cause", (error, name, code) => {
  expect(error).toMatchObject({ name, code, message: "m" });
  expect(error.cause).toBe(cause);
  expect(String(error)).toBe(`${name}: m`);
});

test("details stay on the error", () => {
  expect(new OutOfMemoryError("m", { requestedBytes: 8 }).requestedBytes).toBe(8);
  expect(new IoError("m", { path: "/a" }).path).toBe("/a");
  expect(new FormatError("m", { file: "f", tensor: "w" })).toMatchObject({ file: "f", tensor: "w" });
  expect(new NonFiniteError("m", { step: 3, parameter: "w" })).toMatchObject({ step: 3, parameter: "w" });
});

test("a wrong shape is a wrong argument; the rest can be survived", () => {
  expect(new ShapeError("m")).toBeInstanceOf(RangeError);
  expect(new ShapeError("m")).not.toBeInstanceOf(CorenetError);
  expect(new BackendError("m")).toBeInstanceOf(CorenetError);
});

test("without a cause there is none", () => {
  expect("cause" in new FormatError("m")).toBe(false);
});
