import { curriculumScales, fixedScale } from "@corenet/multiscale-sampler";
import { vitConfig } from "@corenet/nn";
import { expect, test } from "vitest";
import { onBackend } from "../../../tools/testing/index.ts";
import { curvesSvg } from "../bench/vit/curves-svg.ts";
import { shapeImages } from "../bench/vit/shapes.ts";
import { takeTurns } from "../bench/vit/take-turns.ts";
import { trainVit } from "../bench/vit/train-vit.ts";

// The short version of vit-sampler.bench.ts: generated shapes, seconds in place of minutes.
onBackend("wasm", () => {
  test("a ViT learns with either sampler, for fewer FLOPs with the curriculum", async () => {
    const images = shapeImages({ count: 800, seed: "train" });
    const heldOut = shapeImages({ count: 200, seed: "test" });
    const config = vitConfig({
      ...{ imageSize: 28, patchSize: 4, modelDim: 32, numHeads: 2, numLayers: 2, pooling: "mean" },
      numClasses: images.classes.length,
    });
    const options = { config, images, heldOut, epochs: 4, learningRate: 4e-3, seed: 1 };
    const base = { baseSize: 28, baseBatch: 16, epochs: 4, divisor: 4 };
    const range = { startMinSize: 16, startMaxSize: 20, endMinSize: 16, endMaxSize: 40 };
    const turn = takeTurns();
    const [one, grown] = await Promise.all([
      trainVit({ ...options, turn, scales: fixedScale({ size: 28, batchSize: 16 }) }),
      trainVit({ ...options, turn, scales: curriculumScales({ ...base, ...range }) }),
    ]);

    const end = (curve: typeof one) => curve.at(-1) as (typeof one)[number];
    expect(one.map(({ updates }) => updates)).toEqual([50, 100, 150, 200]);
    for (const curve of [one, grown]) {
      expect(curve).toHaveLength(4);
      expect(end(curve).loss).toBeLessThan((curve[0]?.loss as number) - 0.1);
      expect(end(curve).accuracy).toBeGreaterThan(0.35); // a quarter by chance
    }
    expect(end(grown).flops).toBeLessThan(0.8 * end(one).flops);
    expect(end(grown).flops).toBeGreaterThan(0.5 * end(one).flops);
    expect(end(grown).updates).toBeLessThan(0.8 * end(one).updates);

    const svg = curvesSvg([
      { name: "one size", runs: [one] },
      { name: "curriculum", runs: [grown] },
    ]);
    expect(svg).toMatch(/^<svg[^>]* xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
    expect(svg).toContain("prefers-color-scheme: dark");
    expect(svg).toContain("curriculum</text>");
  });
});
