import fc from "fast-check";
import { expect, test } from "vitest";
import { splitText } from "./split-text.ts";

const counting = (length: number) => Uint8Array.from({ length }, (_, i) => i % 251);
const lengths = (parts: readonly Uint8Array[]) => parts.map(({ length }) => length);

test("holds out every 20th block of 4 KiB", () => {
  const { training, heldOut } = splitText(counting(45 * 4096 + 100), { window: 10 });
  expect(lengths(training)).toEqual([19 * 4096, 19 * 4096, 5 * 4096 + 100]);
  expect(heldOut.map(({ byteOffset }) => byteOffset)).toEqual([19 * 4096, 39 * 4096]);
  expect(lengths(heldOut)).toEqual([4096, 4096]);
});

test("holds out what there is of a last block that is cut", () => {
  expect(lengths(splitText(counting(19 * 4096 + 7 + 4096), { window: 10 }).heldOut)).toEqual([4096]);
});

test("holds out a twentieth of a text of fewer than 20 blocks", () => {
  const { training, heldOut } = splitText(counting(2000), { window: 10 });
  expect(lengths(heldOut)).toEqual([100]);
  expect(lengths(training)).toEqual([1900]);
});

test("loses and repeats nothing, and holds out about 5 %", () => {
  fc.assert(
    fc.property(fc.integer({ min: 400, max: 300_000 }), (length) => {
      const bytes = counting(length);
      const { training, heldOut } = splitText(bytes, { window: 16 });
      const parts = [...training, ...heldOut].sort((a, b) => a.byteOffset - b.byteOffset);
      let at = 0;
      for (const part of parts) {
        expect(part.byteOffset).toBe(at);
        at += part.length;
      }
      expect(at).toBe(length);
      const share = heldOut.reduce((sum, part) => sum + part.length, 0) / length;
      expect(share).toBeGreaterThan(0.025);
      expect(share).toBeLessThan(0.055);
    }),
  );
});

test("says that a text is empty or shorter than a window", () => {
  expect(() => splitText(new Uint8Array(0), { window: 257 })).toThrow("splitText: the text is empty");
  expect(() => splitText(counting(256), { window: 257 })).toThrow(
    "the text has 256 bytes, of which 5 % are held out; expected one piece of 257 bytes to train on",
  );
});
