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
