import { BackendError, FormatError } from "@corenet/core";
import fc from "fast-check";
import sharp, { type Sharp } from "sharp";
import { describe, expect, test, vi } from "vitest";
import { crc32 } from "./crc32.ts";
import { decodeImage } from "./decode-image.ts";
import { loadSharp } from "./decode-sharp.ts";

const width = 24;
const height = 16;

/** A smooth picture: its corners differ, and JPEG changes it little. */
const smooth = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
  const [x, y, c] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width), i % 3];
  return c === 0 ? x * 10 : c === 1 ? y * 15 : 128;
});
const picture = () => sharp(smooth, { raw: { width, height, channels: 3 } });
const jpeg = new Uint8Array(await picture().jpeg({ quality: 95 }).toBuffer());
const png = new Uint8Array(await picture().png().toBuffer());
const bytesOf = async (image: Sharp) => new Uint8Array(await image.toBuffer());
const decoders = ["sharp", "jsquash"] as const;

/** Sets a field of the header, and its checksum, so that only its meaning is wrong. */
function withHeader(offset: number, value: number): Uint8Array {
  const changed = png.slice();
  const view = new DataView(changed.buffer);
  view.setUint32(offset, value);
  view.setUint32(29, crc32(changed.subarray(12, 29)));
  return changed;
}

describe.each(decoders)("%s", (decoder) => {
  test("gives a PNG's own bytes", async () => {
    const image = await decodeImage(png, { decoder });
    expect(image).toEqual({ data: smooth, width, height });
    expect(Object.getPrototypeOf(image.data)).toBe(Uint8Array.prototype); // not a Buffer
  });

  test("gives a JPEG within its loss", async () => {
    const image = await decodeImage(jpeg, { decoder });
    expect([image.width, image.height, image.data.length]).toEqual([width, height, smooth.length]);
    const worst = image.data.reduce((most, byte, i) => Math.max(most, Math.abs(byte - (smooth[i] ?? 0))), 0);
    expect(worst).toBeLessThan(16);
  });

  test("lays alpha on white", async () => {
    const rgba = Uint8Array.of(10, 20, 30, 255, 10, 20, 30, 0, 100, 0, 255, 51);
    const file = await bytesOf(sharp(rgba, { raw: { width: 3, height: 1, channels: 4 } }).png());
    const { data } = await decodeImage(file, { decoder });
    // a = 51/255 = 1/5: 100/5 + 255*4/5 = 224, 204, 255
    expect([...data]).toEqual([10, 20, 30, 255, 255, 255, 224, 204, 255]);
  });

  test("makes three channels of grey, palettes and 16 bits", async () => {
    const grey = await decodeImage(await bytesOf(picture().greyscale().png()), { decoder });
    expect(grey.data.length).toBe(smooth.length);
    for (let i = 0; i < smooth.length; i += 3) {
      expect(grey.data[i + 1]).toBe(grey.data[i]);
      expect(grey.data[i + 2]).toBe(grey.data[i]);
    }
    const palette = await bytesOf(picture().png({ palette: true }));
    expect(palette[25]).toBe(3); // colour type
    const deep = await bytesOf(picture().toColourspace("rgb16").png());
    expect(deep[24]).toBe(16); // bits
    expect((await decodeImage(palette, { decoder })).data.length).toBe(smooth.length);
    expect((await decodeImage(deep, { decoder })).data).toEqual(smooth);
    expect((await decodeImage(await bytesOf(picture().greyscale().jpeg()), { decoder })).width).toBe(width);
  });

  test.each([1, 2, 3, 4, 5, 6, 7, 8])("turns a JPEG of EXIF orientation %i upright", async (orientation) => {
    const file = await bytesOf(picture().jpeg().withMetadata({ orientation }));
    const upright = await sharp(file).autoOrient().raw().toBuffer({ resolveWithObject: true });
    const image = await decodeImage(file, { decoder });
    expect([image.width, image.height]).toEqual([upright.info.width, upright.info.height]);
    expect(image.data).toEqual(new Uint8Array(upright.data));
  });

  test("refuses every beginning of a file", async () => {
    for (const whole of [jpeg, png]) {
      for (let length = 0; length < whole.length; length += 13) {
        const cut = whole.subarray(0, length);
        await expect(decodeImage(cut, { decoder, name: "a/cut.jpg" })).rejects.toThrow(FormatError);
      }
      await expect(decodeImage(whole.subarray(0, -1), { decoder, name: "a/cut.jpg" })).rejects.toMatchObject({
        file: "a/cut.jpg",
        message: expect.stringContaining("the end is missing"),
      });
    }
  });

  test("comes out of damaged files with a picture or a FormatError, and goes on working", async () => {
    const change = fc.record({ at: fc.nat(), byte: fc.integer({ min: 0, max: 255 }) });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(jpeg, png),
        fc.array(change, { minLength: 1, maxLength: 6 }),
        fc.boolean(),
        async (whole, changes, mendChecksums) => {
          const file = whole.slice();
          for (const { at, byte } of changes) file[at % file.length] = byte;
          if (whole === png && mendChecksums) mendPng(file);
          const outcome = await decodeImage(file, { decoder, maxPixels: 1e5 }).catch((error) => error);
          if (outcome instanceof FormatError) return;
          expect(outcome.data.length).toBe(outcome.width * outcome.height * 3);
        },
      ),
      { numRuns: 300 },
    );
    expect((await decodeImage(png, { decoder })).data).toEqual(smooth);
    expect((await decodeImage(jpeg, { decoder })).width).toBe(width);
  });

  test("reads part of a larger buffer", async () => {
    const buffer = new Uint8Array(png.length + 20);
    buffer.set(png, 7);
    const image = await decodeImage(buffer.subarray(7, 7 + png.length), { decoder });
    expect(image.data).toEqual(smooth);
  });
});

/** Makes every checksum right again, as far as the chunks can be walked, so that damage reaches the decoder. */
function mendPng(file: Uint8Array): void {
  const view = new DataView(file.buffer);
  for (let at = 8; at + 12 <= file.length; ) {
    const length = view.getUint32(at);
    const end = at + 8 + length;
    if (end + 4 > file.length) return;
    view.setUint32(end, crc32(file.subarray(at + 4, end)));
    at = end + 4;
  }
}

test("both decoders give the same bytes", async () => {
  const files = [jpeg, png, await bytesOf(picture().jpeg({ progressive: true, chromaSubsampling: "4:4:4" }))];
  for (const file of files) {
    const [ours, other] = await Promise.all(decoders.map((decoder) => decodeImage(file, { decoder })));
    expect(ours).toEqual(other);
  }
});

test("jsquash stays whole over many crashes, also at the same time", async () => {
  const crashing = png.slice();
  const start = indexOf(crashing, "IDAT") + 6;
  crashing.fill(0x55, start, start + 20);
  mendPng(crashing);
  const wrongTable = jpeg.slice();
  const table = wrongTable.findIndex((byte, i) => byte === 0xff && wrongTable[i + 1] === 0xc4);
  wrongTable.fill(0xff, table + 5, table + 21); // more codes than a Huffman table has
  // A crash of the PNG codec leaves 1.4 kB of its stack of 1 MiB.
  for (const { file, rounds } of [
    { file: crashing, rounds: 10 },
    { file: wrongTable, rounds: 1 },
  ]) {
    for (let round = 0; round < rounds; round++) {
      const outcomes = await Promise.allSettled(
        Array.from({ length: 100 }, () => decodeImage(file, { decoder: "jsquash" })),
      );
      for (const outcome of outcomes) {
        expect(outcome).toMatchObject({ status: "rejected", reason: { code: "CORENET_FORMAT" } });
      }
    }
  }
  expect((await decodeImage(png, { decoder: "jsquash" })).data).toEqual(smooth);
});

function indexOf(bytes: Uint8Array, text: string): number {
  return bytes.findIndex((_, i) => [...text].every((letter, k) => bytes[i + k] === letter.charCodeAt(0)));
}

test("refuses a picture that would be too large, before decoding it", async () => {
  const bomb = withHeader(16, 60_000);
  await expect(decodeImage(withHeader(20, 4_000_000), { name: "bomb.png" })).rejects.toThrow(
    "bomb.png has 24 x 4000000 pixels, expected at most 64000000",
  );
  await expect(decodeImage(bomb, { maxPixels: 959_999 })).rejects.toThrow("maxPixels: 960000");
  const large = jpeg.slice();
  const frame = large.findIndex((byte, i) => byte === 0xff && large[i + 1] === 0xc0);
  large.fill(0xff, frame + 5, frame + 9);
  await expect(decodeImage(large)).rejects.toThrow("has 65535 x 65535 pixels");
  await expect(decodeImage(png, { maxPixels: width * height })).resolves.toMatchObject({ width });
});

test("refuses headers that no PNG has", async () => {
  for (const changed of [
    withHeader(16, 0),
    withHeader(20, 2 ** 31),
    withHeader(24, 0x03020000),
    withHeader(24, 0x08020100),
  ]) {
    await expect(decodeImage(changed)).rejects.toThrow("(IHDR) is missing or not one of PNG's");
  }
  const changed = png.slice();
  changed[indexOf(png, "IDAT") + 8] = ~(changed[indexOf(png, "IDAT") + 8] as number);
  await expect(decodeImage(changed)).rejects.toThrow("checksum of the chunk at byte");
});

test("refuses JPEGs that hide a second frame, or have garbage between segments", async () => {
  const frame = jpeg.findIndex((byte, i) => byte === 0xff && jpeg[i + 1] === 0xc0);
  const length = 2 + (((jpeg[frame + 2] as number) << 8) | (jpeg[frame + 3] as number));
  const twice = Uint8Array.of(
    ...jpeg.subarray(0, frame + length),
    ...jpeg.subarray(frame, frame + length),
    ...jpeg.subarray(frame + length),
  );
  await expect(decodeImage(twice)).rejects.toThrow("there are two frames");
  const garbage = Uint8Array.of(...jpeg.subarray(0, frame), 7, ...jpeg.subarray(frame));
  await expect(decodeImage(garbage)).rejects.toThrow(`byte ${frame} is no marker`);
});

test("refuses a JPEG whose pixels end early, although its end marker is there", async () => {
  const short = Uint8Array.of(...jpeg.subarray(0, -60), 0xff, 0xd9);
  for (const decoder of decoders) {
    await expect(decodeImage(short, { decoder, name: "short.jpg" })).rejects.toThrow(
      "short.jpg cannot be decoded",
    );
  }
});

test("lets be what follows the end of a file", async () => {
  const longer = Uint8Array.of(...jpeg, ...new Uint8Array(100).fill(0x41));
  expect(await decodeImage(longer)).toEqual(await decodeImage(jpeg));
});

test("jsquash says what to do with a CMYK JPEG, which sharp decodes", async () => {
  const cmyk = await bytesOf(picture().toColourspace("cmyk").jpeg());
  expect((await decodeImage(cmyk, { decoder: "sharp" })).data.length).toBe(smooth.length);
  await expect(decodeImage(cmyk, { decoder: "jsquash" })).rejects.toThrow("CMYK JPEG");
});

test("says what is wrong with its arguments", async () => {
  await expect(decodeImage("x" as never)).rejects.toThrow(TypeError);
  await expect(decodeImage(png, { decoder: "gd" as never })).rejects.toThrow(
    'decoder is "gd", expected one of',
  );
  await expect(decodeImage(png, { maxPixels: 0 })).rejects.toThrow("maxPixels is 0");
  await expect(decodeImage(new TextEncoder().encode("GIF89a…"), { name: "a.jpg" })).rejects.toThrow(
    "a.jpg starts with the bytes 47 49 46 38, expected a JPEG",
  );
  await expect(decodeImage(new Uint8Array(0))).rejects.toThrow("nothing (it is empty)");
});

test("stops when it is told to", async () => {
  const signal = AbortSignal.abort("enough");
  for (const decoder of decoders) await expect(decodeImage(png, { decoder, signal })).rejects.toBe("enough");
  const controller = new AbortController();
  const decoding = decodeImage(png, { decoder: "jsquash", signal: controller.signal });
  controller.abort("later");
  await expect(decoding).rejects.toBe("later");
});

test("without sharp it decodes with jsquash, and says so when sharp was asked for", async () => {
  vi.resetModules();
  vi.doMock("sharp", () => {
    throw new Error("no such module");
  });
  const fresh = await import("./decode-image.ts");
  expect((await fresh.decodeImage(png)).data).toEqual(smooth);
  const refusal = await fresh.decodeImage(png, { decoder: "sharp" }).catch((error) => error);
  expect(refusal.code).toBe(new BackendError("").code);
  expect(refusal.message).toContain('pass decoder: "jsquash"');
  vi.doUnmock("sharp");
  await expect(loadSharp()).resolves.toBeTypeOf("function");
});
