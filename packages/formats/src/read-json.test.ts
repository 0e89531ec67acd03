import { FormatError, IoError } from "@corenet/core";
import { expect, test } from "vitest";
import { bytesSource } from "./bytes-source.ts";
import { readJson } from "./read-json.ts";

const json = (text: string) => readJson(bytesSource(new TextEncoder().encode(text), { name: "config.json" }));

test.skipIf(typeof process === "undefined")("reads a file on disk", async () => {
  const path = new URL("../../../golden/openelm/tiny-hf/config.json", import.meta.url).pathname;
  expect(await readJson(path)).toMatchObject({ model_type: "openelm" });
});

test("says what is wrong with a file", async () => {
  await expect(readJson("/nowhere/config.json")).rejects.toThrow(IoError);
  await expect(json('{"a": 1,}')).rejects.toThrow(FormatError);
  await expect(json('{"a": 1,}')).rejects.toThrow("readJson: the text of config.json is not JSON");
  await expect(json('{"a": {"b": "}\\"{"}, "c": [{"b": 1, "b": 2}]}')).rejects.toThrow(
    'has the key "b" twice',
  );
});

test("one key in several objects, and strings that look like keys, are fine", async () => {
  const text = '{"a":{"x":1},"b":[{"x":2},{"x":3},"x","x:","\\\\"],"c":"a","d":"\\"a\\":"}';
  expect(await json(text)).toEqual(JSON.parse(text));
});

test("nesting that would end in a stack overflow is a FormatError, brackets in strings are not", async () => {
  for (const [open, close] of [
    ["[", "]"],
    ['{"a":', "}"],
  ] as const) {
    const deep = (depth: number) => `${open.repeat(depth)}1${close.repeat(depth)}`;
    await expect(json(deep(65))).rejects.toThrow("nests lists and objects deeper than 64");
    await expect(json(deep(1_000_000))).rejects.toThrow(FormatError);
    await expect(json(open.repeat(1_000_000))).rejects.toThrow(FormatError);
    expect(JSON.stringify(await json(deep(64)))).toBe(deep(64));
  }
  const text = `{"a":"${"[".repeat(100)}\\"{"}`;
  expect(await json(text)).toEqual(JSON.parse(text));
});
