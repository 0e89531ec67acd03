// Pictures for where there are none: what a ViT can learn in seconds, and no single pixel tells.
import { Rng } from "@corenet/core";
import { flipImage, type ImageDataset, type RgbImage, randomResizedCrop, resizeImage } from "@corenet/data";

const SIDE = 32;

/** Whether a point, from the centre and in units of the radius, is inside. */
const inside: Record<string, (x: number, y: number) => boolean> = {
  disc: (x, y) => x * x + y * y < 1,
  ring: (x, y) => x * x + y * y < 1 && x * x + y * y > 0.36,
  square: (x, y) => Math.max(Math.abs(x), Math.abs(y)) < 0.85,
  cross: (x, y) => Math.min(Math.abs(x), Math.abs(y)) < 0.28 && Math.max(Math.abs(x), Math.abs(y)) < 1,
};

/** Bright discs, rings, squares and crosses of any place and size on a dark ground, in turns: 32 x 32 pixels each. */
export function shapeImages({ count, seed }: { count: number; seed: string }): ImageDataset {
  const classes = Object.keys(inside);
  const images = Array.from({ length: count }, (_, i) =>
    drawShape(classes[i % classes.length] as string, new Rng(seed).split(i)),
  );
  return {
    classes,
    length: count,
    async get(index, { height, width, rng }) {
      const image = images[index] as RgbImage;
      return { image: sized(image, { height, width, rng }), label: index % classes.length };
    },
  };
}

/** A large part of an image, mirrored half of the time; without an `rng` all of it. */
export function sized(
  image: RgbImage,
  { height, width, rng }: { height: number; width: number; rng: Rng | undefined },
): RgbImage {
  if (!rng) return resizeImage(image, { height, width });
  const crop = randomResizedCrop(image, { height, width, rng, scale: [0.4, 1] });
  return rng.uniform() < 0.5 ? flipImage(crop) : crop;
}

function drawShape(name: string, rng: Rng): RgbImage {
  const isInside = inside[name] as (x: number, y: number) => boolean;
  const radius = rng.uniform({ min: 8, max: 13 });
  const [top, left] = [0, 0].map(() => rng.uniform({ min: radius, max: SIDE - radius })) as [number, number];
  const color = [0, 0, 0].map(() => rng.uniform({ min: 150, max: 255 }));
  const ground = [0, 0, 0].map(() => rng.uniform({ min: 0, max: 60 }));
  const data = new Uint8Array(SIDE * SIDE * 3);
  for (let y = 0, at = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++) {
      const paint = isInside((x - left) / radius, (y - top) / radius) ? color : ground;
      for (const value of paint) data[at++] = Math.min(255, Math.max(0, value + 40 * (rng.uniform() - 0.5)));
    }
  }
  return { data, height: SIDE, width: SIDE };
}
