import { FormatError } from "@corenet/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { onBackend } from "../../../tools/testing/index.ts";
import { HalfMatrix } from "./half-matrix.ts";

const exponents = { f16: 0x7c00, bf16: 0x7f80 } as const;

onBackend("wasm", () => {
  test.each(["f16", "bf16"] as const)(
    "a number of %s that is not finite is named, wherever it stands",
    async (format) => {
      const size = fc.integer({ min: 1, max: 20_000 });
      await fc.assert(
        fc.asyncProperty(size, fc.nat(), fc.nat(0xffff), fc.boolean(), async (count, at, bits, isShifted) => {
          const whole = new Uint16Array(count + 1);
          const numbers = whole.subarray(isShifted ? 1 : 0, isShifted ? count + 1 : count); // one at an odd place
          const largest = exponents[format] - 1;
          for (let i = 0; i < count; i++) numbers[i] = i % 2 === 0 ? largest : largest | 0x8000; // where a carry would show
          const place = at % count;
          numbers[place] = bits;
          const isSound = (bits & exponents[format]) !== exponents[format];
          const made = HalfMatrix.create(numbers, [1, count], format);
          if (isSound) {
            (await made).dispose();
            return;
          }
          const error = await made.catch((reason: unknown) => reason);
          expect(error).toBeInstanceOf(FormatError);
          expect(String(error)).toContain(
            `element ${place} is infinite or NaN, expected finite ${format} weights`,
          );
        }),
        {
          numRuns: 60,
          examples: [
            [8195, 8193, exponents[format], false],
            [9000, 8999, 0xffff, true],
            [1, 0, 0x7fff, false],
          ],
        },
      );
    },
  );
});
