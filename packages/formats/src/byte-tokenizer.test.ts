import fc from "fast-check";
import { expect, test } from "vitest";
import { byteTokenizer } from "./byte-tokenizer.ts";

const tokenizer = byteTokenizer();

test("ids are the bytes of UTF-8", () => {
  expect([...tokenizer.encode("aé€")]).toEqual([97, 195, 169, 226, 130, 172]);
  expect(tokenizer.vocabSize).toBe(256);
  expect("bosId" in tokenizer).toBe(false);
});

test("decode takes encode back, a byte order mark too", () => {
  expect(tokenizer.decode(tokenizer.encode("\ufeffx"))).toBe("\ufeffx");
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      expect(tokenizer.decode(tokenizer.encode(text))).toBe(text.toWellFormed());
    }),
  );
});

test("the decoder holds an unfinished character back", () => {
  const decoder = tokenizer.decoder();
  expect([226, 130, 172, 33, 240, 159].map((id) => decoder.push(id))).toEqual(["", "", "€", "!", "", ""]);
  expect(decoder.end()).toBe("\ufffd");
});

test("pushes and end join to what decode gives, for any bytes", () => {
  const withSpecials = byteTokenizer({ specials: ["eos"] });
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 256 })), (ids) => {
      const decoder = withSpecials.decoder();
      const text = ids.map((id) => decoder.push(id)).join("") + decoder.end();
      expect(text).toBe(withSpecials.decode(ids));
    }),
  );
});

test("specials are numbered from 256 in the order given, and are no text", () => {
  const special = byteTokenizer({ specials: ["eos", "bos"] });
  expect(special).toMatchObject({ vocabSize: 258, eosId: 256, bosId: 257 });
  expect(special.padId).toBeUndefined();
  expect(special.decode([257, 104, 105, 256])).toBe("hi");
  expect(() => byteTokenizer({ specials: ["eos", "eos"] })).toThrow("specials are [eos,eos]");
});

test("refuses ids outside the vocabulary", () => {
  for (const id of [256, -1, 1.5, Number.NaN]) {
    expect(() => tokenizer.decode([id])).toThrow(`id is ${id}, expected an integer in [0, 256)`);
    expect(() => tokenizer.decoder().push(id)).toThrow(RangeError);
  }
});
