import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CheckpointError, encodeBfloat16, encodeFloat16, FormatError } from "@corenet/core";
import {
  fileSink,
  openCheckpoint,
  type SafetensorsEntry,
  toFloat32,
  writeSafetensors,
} from "@corenet/formats";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { specGaussian } from "../../test/spec-data.ts";
import type { BlockSearch } from "../codec/block-search.ts";
import { lfsrConfig } from "../codec/config.ts";
import { encodeTensor } from "../codec/encode-tensor.ts";
import { referenceSearch } from "../codec/reference-search.ts";
import { lfsrTensorNames, readLfsrTensor } from "../container/read-lfsr-tensor.ts";
import {
  type CompressCheckpointOptions,
  type CompressProgress,
  compressCheckpoint,
} from "./compress-checkpoint.ts";
import { reportTable } from "./report.ts";

const config = lfsrConfig({ C: 4, P: 2, K: 8 });
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "corenet-lfsr-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const path = (...names: string[]) => join(folder, ...names);
const options = (more: Partial<CompressCheckpointOptions> = {}): CompressCheckpointOptions => ({
  ...{ source: path("model"), out: path("out"), config, minElements: 64, search: referenceSearch() },
  ...more,
});

const up = specGaussian(1, 40 * 12).map((w) => w * 0.02);
const down = specGaussian(2, 12 * 40);
const gate = specGaussian(3, 40 * 10);
const entries: SafetensorsEntry[] = [
  { name: "transformer.token_embeddings.weight", dtype: "F32", shape: [50, 12], data: specGaussian(4, 600) },
  { name: "transformer.layers.0.ffn.up.weight", dtype: "F32", shape: [40, 12], data: up },
  { name: "transformer.layers.0.ffn.up.bias", dtype: "F32", shape: [40], data: specGaussian(5, 40) },
  {
    name: "transformer.layers.0.ffn.down.weight",
    dtype: "BF16",
    shape: [12, 40],
    data: encodeBfloat16(down),
  },
  { name: "transformer.layers.1.ffn.gate.weight", dtype: "F16", shape: [40, 10], data: encodeFloat16(gate) },
  { name: "transformer.layers.1.norm.weight", dtype: "F32", shape: [8, 12], data: specGaussian(6, 96) },
  { name: "lm_head.weight", dtype: "F32", shape: [50, 12], data: specGaussian(7, 600) },
  { name: "steps", dtype: "I64", shape: [1], data: BigInt64Array.of(5n) },
];
const compressed = ["0.ffn.up", "0.ffn.down", "1.ffn.gate"].map(
  (part) => `transformer.layers.${part}.weight`,
);

/** A model in a folder, with some other files beside it. */
async function makeModel(tensors = entries): Promise<void> {
  const { mkdir } = await import("node:fs/promises");
  await mkdir(path("model", "images"), { recursive: true });
  await writeSafetensors(await fileSink(path("model", "model.safetensors")), tensors, {
    metadata: { format: "pt" },
  });
  await writeFile(path("model", "config.json"), '{"model_type": "openelm"}');
  await writeFile(path("model", "tokenizer.json"), "{}");
  await writeFile(path("model", "pytorch_model.bin"), "the same weights again");
}

/** All files of the result, but the report, which tells times. */
async function resultOf(out = path("out")): Promise<Record<string, string>> {
  const names = (await readdir(out)).filter((name) => !name.startsWith("compression.")).sort();
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, (await readFile(join(out, name))).toString("hex")])),
  );
}

test("compresses the matrices of the blocks, copies the rest, reports", async () => {
  await makeModel();
  const report = await compressCheckpoint(options());
  expect((await readdir(path("out"))).sort()).toEqual([
    "compression.json",
    "compression.svg",
    "compression.txt",
    "config.json",
    "model.safetensors",
    "tokenizer.json",
  ]);
  expect(existsSync(path("out.partial"))).toBe(false);
  expect(report.skippedFiles).toEqual(["images", "pytorch_model.bin"]);

  const file = await openCheckpoint(path("out"));
  expect(lfsrTensorNames(file).sort()).toEqual([...compressed].sort());
  expect((file.tensors.values().next().value?.offset ?? 1) % 64).toBe(0);
  expect([...file.tensors.keys()].slice(0, 3).every((name) => name.endsWith(".lfsr_config"))).toBe(true);
  for (const { name, dtype, shape, data } of entries) {
    if (typeof data === "function") continue;
    if (!compressed.includes(name)) {
      expect(file.tensors.get(name)).toMatchObject({ dtype, shape });
      expect(await file.read(name)).toEqual(data);
      continue;
    }
    const sourceDtype = dtype as "F32" | "F16" | "BF16";
    const { stats, ...want } = await encodeTensor(toFloat32(dtype, data), shape, { config, sourceDtype });
    expect(await readLfsrTensor(file, name)).toEqual(want);
    const told = report.tensors.find((tensor) => tensor.name === name);
    expect(told).toMatchObject({
      shape,
      sourceDtype,
      expBias: want.expBias,
      bytesBefore: data.byteLength,
      stats,
    });
  }
  expect([...file.metadata]).toContainEqual(["format", "corenet-lfsr"]);
  await file.close();

  expect(report.kept.map(({ name, reason }) => [name, reason])).toEqual(
    expect.arrayContaining([
      ["transformer.token_embeddings.weight", "is outside the blocks"],
      ["transformer.layers.0.ffn.up.bias", "has 1 axes"],
      ["transformer.layers.1.norm.weight", "is no linear weight"],
      ["steps", "is I64"],
    ]),
  );
  const { size } = await stat(path("out", "model.safetensors"));
  expect(size - report.bytesAfter).toBeLessThan(4096); // the header
  expect(JSON.parse(await readFile(path("out", "compression.json"), "utf8"))).toEqual(
    JSON.parse(JSON.stringify(report)),
  );
  expect(reportTable(report)).toContain("3 tensors compressed at ");
  expect(await readFile(path("out", "compression.svg"), "utf8")).toMatch(
    /^<svg .*transformer\.layers\.1\.ffn\.gate\.weight.*<\/svg>\n$/s,
  );
});

test("one file, and shards, give the same tensors", async () => {
  await makeModel();
  await compressCheckpoint(options({ out: path("whole") }));
  await compressCheckpoint(options({ source: path("model", "model.safetensors"), out: path("file") }));
  expect(await readdir(path("file"))).not.toContain("config.json");

  await rm(path("model", "model.safetensors"));
  const half = [entries.slice(0, 4), entries.slice(4)];
  const weight_map: Record<string, string> = {};
  for (const [i, part] of half.entries()) {
    const name = `model-0000${i + 1}-of-00002.safetensors`;
    for (const entry of part) weight_map[entry.name] = name;
    await writeSafetensors(await fileSink(path("model", name)), part);
  }
  await writeFile(path("model", "model.safetensors.index.json"), JSON.stringify({ weight_map }));
  await compressCheckpoint(options({ out: path("shards") }));

  const tensorsOf = async (name: string) => {
    const file = await openCheckpoint(path(name));
    const all = await Promise.all(
      [...file.tensors.keys()].sort().map(async (key) => [key, await file.read(key)]),
    );
    await file.close();
    return all;
  };
  expect(await tensorsOf("file")).toEqual(await tensorsOf("whole"));
  expect(await tensorsOf("shards")).toEqual(await tensorsOf("whole"));
});

test("include and exclude choose by name; nothing to do is an error", async () => {
  await makeModel();
  const names = async (more: Partial<CompressCheckpointOptions>) =>
    (await compressCheckpoint(options({ ...more, overwrite: true }))).tensors.map(({ name }) => name).sort();
  expect(await names({ exclude: ["*.ffn.down.*"] })).toEqual([compressed[0], compressed[2]].sort());
  expect(await names({ include: ["lm_head.weight", /token/g] })).toEqual([
    "lm_head.weight",
    "transformer.token_embeddings.weight",
  ]);
  expect(await names({ minElements: 480 })).toEqual([compressed[1], compressed[0]]);
  const nothing = compressCheckpoint(options({ include: ["model.*"], out: path("none") }));
  await expect(nothing).rejects.toThrow(CheckpointError);
  await expect(nothing).rejects.toThrow("none of the 8 tensors would be compressed");
  expect(existsSync(path("none"))).toBe(false);
});

test("importances weigh the columns of the tensors that have them", async () => {
  await makeModel();
  const importance = Float32Array.from({ length: 12 }, (_, i) => (i % 4 === 0 ? 50 : 1));
  await compressCheckpoint(
    options({ importanceOf: (name) => (name === compressed[0] ? importance : undefined) }),
  );
  const { stats, ...want } = await encodeTensor(up, [40, 12], { config, importance });
  const file = await openCheckpoint(path("out"));
  expect(await readLfsrTensor(file, compressed[0] as string)).toEqual(want);
  await file.close();
});

describe("refused", () => {
  test("a weight that is not finite: named before any work; out stays as it was", async () => {
    const bad = entries.map((entry) => {
      if (entry.name !== compressed[1]) return entry;
      const data = encodeBfloat16(down);
      data[77] = 0x7fc0;
      return { ...entry, data };
    });
    await makeModel(bad);
    await makeOut();
    const seen: CompressProgress[] = [];
    const refused = compressCheckpoint(
      options({ overwrite: true, onProgress: (progress) => seen.push(progress) }),
    );
    await expect(refused).rejects.toThrow(`weight 77 of ${compressed[1]} is NaN, expected a finite number`);
    await expect(refused).rejects.toBeInstanceOf(FormatError);
    expect(seen.every(({ phase }) => phase === "scan")).toBe(true);
    expect(await readdir(folder)).toEqual(["model", "out"]);
    expect(await readFile(path("out", "mine.txt"), "utf8")).toBe("mine");
  });

  test("a folder that is not empty, the source itself, a source that is not there", async () => {
    await makeModel();
    await makeOut();
    await expect(compressCheckpoint(options())).rejects.toThrow(
      "is there and holds mine.txt, expected a new or empty folder",
    );
    await expect(compressCheckpoint(options({ out: path("model") }))).rejects.toThrow(
      "where the source lies",
    );
    const single = options({
      source: path("model", "model.safetensors"),
      out: path("model"),
      overwrite: true,
    });
    await expect(compressCheckpoint(single)).rejects.toThrow("where the source lies");
    await expect(compressCheckpoint(options({ source: path("nowhere"), out: path("new") }))).rejects.toThrow(
      "nowhere",
    );
    expect(existsSync(path("new"))).toBe(false);
  });

  async function makeOut(): Promise<void> {
    const { mkdir } = await import("node:fs/promises");
    await mkdir(path("out"));
    await writeFile(path("out", "mine.txt"), "mine");
  }
});

describe("interrupted", () => {
  /** The reference, block by block, which counts and may stop the run. */
  function countingSearch(onBlocks: (n: number) => void): BlockSearch {
    const search = referenceSearch();
    return {
      batchBlocks: 8,
      async search(batch, searchOptions) {
        onBlocks(batch.blocks.length / searchOptions.config.C);
        return search.search(batch, searchOptions);
      },
    };
  }

  test("goes on where it was, in batches of another size, to the very same files", async () => {
    await makeModel();
    await compressCheckpoint(options({ out: path("straight") }));
    const controller = new AbortController();
    const reason = new Error("enough");
    let blocks = 0;
    const first = countingSearch((n) => {
      blocks += n;
      if (blocks > 130) controller.abort(reason); // the second tensor has begun
    });
    await expect(compressCheckpoint(options({ search: first, signal: controller.signal }))).rejects.toBe(
      reason,
    );
    expect(existsSync(path("out"))).toBe(false);
    expect((await readdir(path("out.partial"))).length).toBeGreaterThan(2);

    let rest = 0;
    const seen: CompressProgress[] = [];
    const second = countingSearch((n) => {
      rest += n;
    });
    await compressCheckpoint(
      options({ search: { ...second, batchBlocks: 5 }, onProgress: (progress) => seen.push(progress) }),
    );
    expect(rest).toBe(40 * 3 + 12 * 10 + 40 * 3 - 120); // all but the two batches under way were kept
    expect(await resultOf()).toEqual(await resultOf(path("straight")));
    const last = seen.filter(({ phase }) => phase === "encode").at(-1);
    expect(last?.done).toBe(last?.total);
    expect(last?.weightsPerSecond).toBeGreaterThan(0);
  });

  test("a journal cut or turned in the middle counts up to there", async () => {
    await makeModel();
    await compressCheckpoint(options({ out: path("straight") }));
    for (const damage of ["cut", "turn"]) {
      const controller = new AbortController();
      let blocks = 0;
      const search = countingSearch((n) => {
        blocks += n;
        if (blocks > 90) controller.abort();
      });
      await expect(
        compressCheckpoint(options({ out: path(damage), search, signal: controller.signal })),
      ).rejects.toThrow();
      const journal = (await readdir(path(`${damage}.partial`))).find((name) =>
        name.endsWith(".codes"),
      ) as string;
      const at = path(`${damage}.partial`, journal);
      if (damage === "cut") await truncate(at, 200);
      else {
        const bytes = await readFile(at);
        bytes[200] = (bytes[200] as number) ^ 1;
        await writeFile(at, bytes);
      }
      let rest = 0;
      await compressCheckpoint(
        options({
          out: path(damage),
          search: countingSearch((n) => {
            rest += n;
          }),
        }),
      );
      expect(rest).toBe(360 - 16); // two batches of 8 before byte 200
      expect(await resultOf(path(damage))).toEqual(await resultOf(path("straight")));
    }
  });

  test("with other settings it is refused, and fresh starts anew", async () => {
    await makeModel();
    const controller = new AbortController();
    const search = countingSearch(() => controller.abort());
    await expect(compressCheckpoint(options({ search, signal: controller.signal }))).rejects.toThrow();
    const other = options({ exponentRule: "fit" });
    await expect(compressCheckpoint(other)).rejects.toThrow(
      "holds an interrupted run of another source or with other settings",
    );
    await compressCheckpoint({ ...other, fresh: true });
    expect(existsSync(path("out.partial"))).toBe(false);
  });

  test("killed: the same call goes on, and the files are those of a run that was not", {
    timeout: 120_000,
  }, async () => {
    const large: SafetensorsEntry[] = [0, 1].map((i) => ({
      ...{ name: `layers.${i}.weight`, dtype: "F32", shape: [64, 64] },
      data: specGaussian(i, 4096),
    }));
    await makeModel(large);
    const program = `
      import { compressCheckpoint, referenceSearch } from "@corenet/lfsr-seed";
      await compressCheckpoint({ source: process.argv[2], out: process.argv[3], search: { ...referenceSearch(), batchBlocks: 16 } });
    `;
    const script = join(import.meta.dirname, `../../test/killed-${process.pid}.ts`); // inside the package, to find it
    await writeFile(script, program);
    try {
      const child = spawn(
        process.execPath,
        ["--conditions=@corenet/source", script, path("model"), path("out")],
        { stdio: "inherit" },
      );
      const exit = new Promise((resolve) => child.on("exit", (_, signal) => resolve(signal)));
      const journal = path("out.partial", "1.codes");
      while (!existsSync(journal) || (await stat(journal)).size < 1000)
        await new Promise((resolve) => setTimeout(resolve, 5));
      child.kill("SIGKILL");
      expect(await exit).toBe("SIGKILL");
    } finally {
      await rm(script);
    }
    expect(existsSync(path("out"))).toBe(false);
    let rest = 0;
    const counting = {
      ...countingSearch((n) => {
        rest += n;
      }),
      batchBlocks: 64,
    };
    await compressCheckpoint({ source: path("model"), out: path("out"), search: counting });
    expect(rest).toBeLessThan(512 - 60);
    await compressCheckpoint({ source: path("model"), out: path("straight"), search: referenceSearch() });
    expect(await resultOf()).toEqual(await resultOf(path("straight")));
  });
});
