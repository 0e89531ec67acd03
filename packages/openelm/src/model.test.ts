import { memory, type Tensor3D, tensor } from "@corenet/tensor";
import { expect, test } from "vitest";
import { loadGolden, onEveryBackend } from "../../../tools/testing/index.ts";
import { loadTiny } from "../test/models.ts";
import { cacheFloatsPerToken } from "./cost.ts";
import { decoderLayer, positionsOf } from "./model.ts";
import type { OpenElmLayerParams } from "./parameters.ts";

const golden = await loadGolden("openelm/modules");
const entry = (name: string) =>
  golden.tensors.get(name) as { shape: [number, number, number]; data: Float32Array };

onEveryBackend(() => {
  test("one layer, norms and residuals included, is the reference's", async () => {
    using model = await loadTiny();
    const { shape, data } = entry("input.hidden");
    const x: Tensor3D = tensor(data, shape);
    const places = positionsOf(model.config, { past: 0, length: shape[1] });
    const layer = model.params.layers[1] as OpenElmLayerParams;
    const y = decoderLayer(x, layer, model.config, { index: 1, places });
    await expect(y).toBeAllClose(entry("output.layer"), { atol: 2e-5 });
  });

  test("a cache takes the memory of 2 K d floats a token and layer", async () => {
    using model = await loadTiny();
    const before = memory().numBytes;
    using cache = model.createCache({ batch: 2, capacity: 24 });
    expect(memory().numBytes - before).toBe(4 * 2 * 24 * cacheFloatsPerToken(model.config));
    expect(cache.length).toBe(0);
  });
});
