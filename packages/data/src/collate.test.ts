import { ShapeError } from "@corenet/core";
import { expect, test } from "vitest";
import { expectNoLeak, onEveryBackend } from "../../../tools/testing/index.ts";
import { collate } from "./collate.ts";

const black = { data: new Uint8Array(6), height: 1, width: 2 };
const counted = { data: Uint8Array.of(0, 51, 102, 153, 204, 255), height: 1, width: 2 };

onEveryBackend(() => {
  test("puts values in [0, 1] beside each other", async () => {
    const batch = await collate([counted, black]);
    expect(batch.shape).toEqual([2, 1, 2, 3]);
    await expect(batch).toBeAllClose([[[[0, 0.2, 0.4], [0.6, 0.8, 1]]], [[[0, 0, 0], [0, 0, 0]]]]); // biome-ignore format: a picture
    batch.dispose();
  });

  test("puts channels first", async () => {
    const batch = await collate([counted], { layout: "NCHW" });
    expect(batch.shape).toEqual([1, 3, 1, 2]);
    await expect(batch).toBeAllClose([[[[0, 0.6]], [[0.2, 0.8]], [[0.4, 1]]]]);
    batch.dispose();
  });

  test("takes away the mean and divides by the deviation, channel by channel", async () => {
    const batch = await collate([counted], { mean: [0.5, 0.2, 0], std: [0.5, 0.1, 2] });
    await expect(batch).toBeAllClose([[[[-1, 0, 0.2], [0.2, 6, 0.5]]]]); // biome-ignore format: a picture
    batch.dispose();
  });

  test("leaves nothing behind but the batch", async () => {
    await expectNoLeak(async () => (await collate([counted, black])).dispose());
  });
});

test("says what is wrong with its arguments", async () => {
  await expect(collate([])).rejects.toThrow("got no images");
  await expect(collate([black, { ...black, height: 2, width: 1 }])).rejects.toThrow(
    "image 1 is 2 x 1, expected 1 x 2",
  );
  await expect(collate([{ ...black, width: 3 }])).rejects.toThrow(ShapeError);
  await expect(collate([black], { std: [1, 0, 1] })).rejects.toThrow("std 0, expected finite");
  await expect(collate([black], { layout: "CHW" as never })).rejects.toThrow('layout is "CHW"');
});
