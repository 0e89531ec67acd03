import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeLetters, fromBase64 } from "./base64.ts";

const encode = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes));

test("decodes what btoa encodes, by either way, into bytes of its own", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      for (const decode of [fromBase64, decodeLetters]) {
        const decoded = decode(encode(bytes));
        expect(decoded).toEqual(bytes);
        expect(decoded.constructor).toBe(Uint8Array); // no Buffer, whose memory is shared
        expect(decoded.buffer.byteLength).toBe(bytes.length);
      }
    }),
  );
});

test.each(["a*b", "AAAA*AAA", "AA=A"])("refuses %s, which is not base64", (text) => {
  for (const decode of [fromBase64, decodeLetters]) expect(() => decode(text)).toThrow();
});
