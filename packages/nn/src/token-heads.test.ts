import { reshape, split, type Tensor4D, tensor, tensor1d } from "@corenet/tensor";
import { expect, test } from "vitest";
import { expectNoLeak, onEveryBackend } from "../../../tools/testing/index.ts";
import { rmsNorm } from "./rms-norm.ts";
import { rope, ropeTables } from "./rope.ts";
import { tokenHeads } from "./token-heads.ts";

onEveryBackend(() => {
  const [B, H, Hkv, d] = [2, 3, 1, 4];
  const made = () => ({
    qkv: tensor(
      Float32Array.from({ length: B * (H + 2 * Hkv) * d }, (_, i) => Math.sin(i)),
      [B, 1, (H + 2 * Hkv) * d],
    ),
    options: {
      ...{ numQueryHeads: H, numKvHeads: Hkv, tables: ropeTables({ headDim: d, start: 7, length: 1 }) },
      gains: { queries: tensor1d([1, 2, 3, 4]), keys: tensor1d([4, 3, 2, 1]) },
    },
  });

  test("is the norm and the rotation of each head", async () => {
    const { qkv, options } = made();
    const heads = reshape(qkv, [B, H + 2 * Hkv, 1, d]);
    const [queries, keys, values] = split(heads, [H, Hkv, Hkv], { axis: 1 }) as [
      Tensor4D,
      Tensor4D,
      Tensor4D,
    ];
    const saw = tokenHeads(qkv, options);
    await expect(saw.queries).toBeAllClose(rope(rmsNorm(queries, options.gains.queries), options.tables));
    await expect(saw.keys).toBeAllClose(rope(rmsNorm(keys, options.gains.keys), options.tables));
    await expect(saw.values).toBeAllClose(values);
  });

  test("frees its intermediates, and refuses what does not fit", () => {
    const { qkv, options } = made();
    expectNoLeak(() => tokenHeads(qkv, options));
    expect(() => tokenHeads(reshape(qkv, [1, 2, 20]), options)).toThrow(
      "expected [any, 1, 20]. It takes one token",
    );
    const tables = ropeTables({ headDim: d, length: 2 });
    expect(() => tokenHeads(qkv, { ...options, tables })).toThrow("cos has shape [2, 2], expected [1, 2]");
  });
});
