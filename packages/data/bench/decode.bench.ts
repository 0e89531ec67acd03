import { decodeImage, type ImageDecoder, type RgbImage, resizeImage } from "@corenet/data";
import sharp from "sharp";
import type { Bench, Contender } from "../../../tools/bench/harness.ts";

const SIDE = 512;
const TARGET = 224;
const IMAGES = 16;

const bench: Bench = {
  name: "decode",
  description:
    `Decoding ${IMAGES} images of ${SIDE} x ${SIDE}, and resizing them to ${TARGET} x ${TARGET}: sharp (native, threads), ` +
    "jsquash (WebAssembly, this thread), our resize. Eight at a time.",

  async run({ compare, record }) {
    const picture = sharp(photoLike(), { raw: { width: SIDE, height: SIDE, channels: 3 } });
    const jpeg = new Uint8Array(await picture.clone().jpeg({ quality: 90 }).toBuffer());
    const png = new Uint8Array(await picture.clone().png().toBuffer());
    record("JPEG (kB)", jpeg.length / 1000);
    record("PNG (kB)", png.length / 1000);
    const decode = (file: Uint8Array, decoder: ImageDecoder): Contender =>
      all(decoder, () => decodeImage(file, { decoder }));
    const rate = async (options: Parameters<typeof compare>[0]) => {
      const { standings } = await compare({ warmup: 2, rounds: 10, ...options });
      for (const { name, summary } of standings) {
        record(`${options.name}, ${name} (images/s)`, (IMAGES * 1000) / summary.median);
      }
    };

    await rate({ name: "decode JPEG", ours: decode(jpeg, "sharp"), peers: [decode(jpeg, "jsquash")] });
    await rate({ name: "decode PNG", ours: decode(png, "sharp"), peers: [decode(png, "jsquash")] });

    const image = await decodeImage(png);
    await rate({
      name: `resize to ${TARGET}`,
      ours: all("ours", async () => resizeImage(image, { height: TARGET, width: TARGET })),
      peers: [all("sharp", () => resizeWithSharp(image))],
    });
    await rate({
      name: `decode JPEG and resize to ${TARGET}`,
      ours: all("sharp, then ours", async () =>
        resizeImage(await decodeImage(jpeg, { decoder: "sharp" }), { height: TARGET, width: TARGET }),
      ),
      peers: [
        all("jsquash, then ours", async () =>
          resizeImage(await decodeImage(jpeg, { decoder: "jsquash" }), { height: TARGET, width: TARGET }),
        ),
        all("sharp alone, which decodes smaller", () =>
          sharp(jpeg).resize(TARGET, TARGET, { kernel: "linear" }).raw().toBuffer(),
        ),
      ],
    });
  },
};

function all(name: string, work: () => Promise<unknown>): Contender {
  return {
    name,
    async run() {
      let left = IMAGES;
      const worker = async () => {
        while (left-- > 0) await work();
      };
      await Promise.all(Array.from({ length: 8 }, worker));
      return undefined;
    },
  };
}

function resizeWithSharp({ data, width, height }: RgbImage): Promise<Buffer> {
  return sharp(data, { raw: { width, height, channels: 3 } })
    .resize(TARGET, TARGET, { kernel: "linear" })
    .raw()
    .toBuffer();
}

/** Smooth areas, edges and a little noise, so that both formats have something to do. */
function photoLike(): Uint8Array {
  let state = 1;
  return Uint8Array.from({ length: SIDE * SIDE * 3 }, (_, i) => {
    const x = Math.floor(i / 3) % SIDE;
    const y = Math.floor(i / 3 / SIDE);
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    const edge = (x >> 6) % 2 === (y >> 5) % 2 ? 40 : 0;
    return 100 + 50 * Math.sin(x / 40 + (i % 3)) + 30 * Math.cos(y / 25) + edge + (state >>> 27);
  });
}

export default bench;
