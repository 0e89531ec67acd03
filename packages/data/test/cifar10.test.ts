import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Rng } from "@corenet/core";
import { collate, decodeImage, imageDataset, imageFolder } from "@corenet/data";
import { readData } from "@corenet/tensor";
import { describe, expect, test } from "vitest";
import { onBackend } from "../../../tools/testing/index.ts";

const path = fileURLToPath(new URL("../../../../shared/data/cifar10/test", import.meta.url));
const isThere = existsSync(path);

describe.skipIf(!isThere)(isThere ? "CIFAR-10" : `CIFAR-10 (skipped: there is no ${path})`, () => {
  test("ten classes of a hundred images, which both decoders read alike", async () => {
    const folder = await imageFolder(path);
    expect(folder.classes).toEqual([
      ...["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
    ]);
    expect(folder.length).toBe(1000);
    expect(folder.skipped).toEqual([]);
    for (let index = 0; index < folder.length; index += 50) {
      const bytes = await folder.read(index);
      const [ours, other] = await Promise.all([
        decodeImage(bytes, { decoder: "sharp" }),
        decodeImage(bytes, { decoder: "jsquash" }),
      ]);
      expect([ours.width, ours.height]).toEqual([32, 32]);
      expect(ours).toEqual(other);
    }
  });

  onBackend("wasm", () => {
    test("a batch has the statistics that are published for CIFAR-10", async () => {
      const dataset = imageDataset(await imageFolder(path), { decoder: "jsquash" });
      const indices = Array.from({ length: 250 }, (_, i) => i * 4);
      const size = { height: 32, width: 32 };
      const samples = await Promise.all(indices.map((index) => dataset.get(index, size)));
      const images = samples.map(({ image }) => image);
      const batch = await collate(images, { mean: [0.4914, 0.4822, 0.4465], std: [0.247, 0.2435, 0.2616] });
      expect(batch.shape).toEqual([250, 32, 32, 3]);
      const values = await readData(batch);
      batch.dispose();
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      const variance = values.reduce((sum, value) => sum + value ** 2, 0) / values.length - mean ** 2;
      expect(Math.abs(mean)).toBeLessThan(0.1);
      expect(Math.abs(variance - 1)).toBeLessThan(0.1);

      const rng = new Rng(7);
      const crop = await dataset.get(0, { height: 24, width: 40, rng: rng.split(0) });
      expect(crop.image).toMatchObject({ height: 24, width: 40 });
    });
  });
});
