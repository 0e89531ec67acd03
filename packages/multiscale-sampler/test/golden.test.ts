import { makeDivisible } from "@corenet/core";
import {
  type Batch,
  CpythonRandom,
  cpython,
  createChainSampler,
  createSampler,
  createVideoClipSampler,
  curriculumProgress,
  curriculumScales,
  fixedBatchScales,
  fixedScale,
  fixedVideoScale,
  fpsScales,
  growingScales,
  type ImageScale,
  type OrderOptions,
  randomClips,
  type Sampler,
  sharedCpython,
  sideList,
  type VideoScale,
  variableBatchScales,
  variableFramesScales,
} from "@corenet/multiscale-sampler";
import { describe, expect, test } from "vitest";
import { loadGolden } from "../../../tools/testing/index.ts";

/** Rows of a golden file, whose fields its test names. */
// biome-ignore lint/suspicious/noExplicitAny: each file has its own fields
const each = (rows: any[]) => test.each<any>(rows);

type Pair = [height: number, width: number];

/** A configuration as the golden files write it. */
interface Config {
  title?: string;
  sampler?: string;
  samples?: number;
  base: Pair;
  min: Pair;
  max: Pair;
  n: number;
  d: number;
  batch: number;
  frames?: number;
  training?: boolean;
  repeats?: number;
  truncated?: boolean;
  start_shuffling?: number;
  world?: number;
  gpus?: number;
  shards?: boolean;
  disable_shuffle_sharding?: boolean;
}

const size = ([height, width]: Pair) => ({ height, width });

const rangeOf = (c: Config) => ({
  baseSize: size(c.base),
  minSize: size(c.min),
  maxSize: size(c.max),
  count: c.n,
  divisor: c.d,
  pairing: "rank" as const,
});

const tuples = (scales: readonly ImageScale[]) => scales.map((s) => [s.height, s.width, s.batchSize]);

describe("helpers", async () => {
  const { json } = await loadGolden("multiscale-sampler/helpers");

  test("makeDivisible", () => {
    for (const divisor of [1, 8, 16, 32, 64]) {
      const rounded = json.make_divisible.values.map((value: number) => makeDivisible(value, divisor));
      expect(rounded).toEqual(json.make_divisible[divisor]);
    }
  });

  each(json.side_list)("side list of $base, $min to $max, n $n, d $d", (c) => {
    expect(sideList({ base: c.base, min: c.min, max: c.max, count: c.n, divisor: c.d })).toEqual(c.sides);
  });

  each([...json.tuple_list, ...json.published])("scales of $base, $min to $max, n $n", (c) => {
    expect(tuples(variableBatchScales({ ...rangeOf(c), baseBatch: c.batch }))).toEqual(c.tuples);
    const square = c.base[0] === c.base[1] && c.min[0] === c.min[1];
    if (!square) return;
    expect(tuples(variableBatchScales({ ...rangeOf(c), baseBatch: c.batch, pairing: "range" }))).toEqual(
      c.tuples,
    );
  });

  each(json.video_pairs)("frames of $base, $min to $max", (c) => {
    const scales = variableFramesScales({ ...rangeOf(c), batchSize: 1, baseFrames: c.frames });
    expect(scales.map((s) => [s.height, s.width, s.frames])).toEqual(c.tuples);
  });
});

describe("CPython's generator", async () => {
  const { json } = await loadGolden("multiscale-sampler/rng");

  each(Object.keys(json.seeds))("seed %s", (seed: string) => {
    const want = json.seeds[seed];
    const fresh = () => new CpythonRandom(BigInt(seed));
    const draw = (count: number, of: (r: CpythonRandom) => number, r = fresh()) =>
      Array.from({ length: count }, () => of(r));
    const shuffled = (n: number, r = fresh()) => {
      const list = Uint32Array.from({ length: n }, (_, i) => i);
      r.shuffle(list);
      return [...list];
    };

    expect(draw(8, (r) => r.next())).toEqual(want.bits);
    expect(shuffled(8)).toEqual(want["shuffle 8"]);
    if (want["shuffle 103"]) expect(shuffled(103)).toEqual(want["shuffle 103"]);
    expect(draw(16, (r) => r.below(5))).toEqual(want["choice of 5"]);
    expect(draw(16, (r) => r.below(7))).toEqual(want["choice of 7"]);
    expect(draw(16, (r) => 1 + r.below(5))).toEqual(want["randint 1 5"]);
    const one = fresh();
    expect([one.below(1), one.next()]).toEqual(want["choice of 1 then bits"]);
    const random = (r: CpythonRandom) => ((r.next() >>> 5) * 2 ** 26 + (r.next() >>> 6)) / 2 ** 53;
    expect(draw(3, random)).toEqual(want.random);
    const both = fresh();
    const [list, choices] = want["shuffle 8 then choice of 5"];
    expect(shuffled(8, both)).toEqual(list);
    expect(draw(8, (r) => r.below(5), both)).toEqual(choices);
  });
});

function orderOf(c: Config, rank?: number): OrderOptions {
  const { samples = 0, training = true, repeats = 1, truncated = false, world = 1, gpus = 1 } = c;
  const padded = rank === undefined ? Math.ceil(samples / gpus) * gpus : samples; // to the GPUs of one process
  return {
    samples: Array.from({ length: padded }, (_, i) => i % samples),
    shuffle: training && { fromEpoch: c.start_shuffling ?? 0 },
    ...(training && { repeats, truncateRepeats: truncated }),
    ...(rank !== undefined && {
      ranks: {
        rank,
        worldSize: world,
        ...(c.shards && { shards: { ranksPerNode: gpus, shuffle: !c.disable_shuffle_sharding } }),
      },
    }),
  };
}

function scalesOf(c: Config): ImageScale[] {
  const { sampler = "variable_batch_sampler", training = true } = c;
  if (!training || sampler.startsWith("batch_sampler"))
    return fixedScale({ size: size(c.base), batchSize: c.batch });
  const kind = sampler.startsWith("multi_scale") ? fixedBatchScales : variableBatchScales;
  return kind({ ...rangeOf(c), baseBatch: c.batch });
}

function samplerOf(c: Config, rank?: number) {
  const short = c.sampler?.startsWith("batch_sampler") && rank === undefined;
  return createSampler({
    ...orderOf(c, rank),
    scales: scalesOf(c),
    lastBatch: short ? "short" : "once",
    random: cpython,
  });
}

function batchesOf(sampler: Sampler<Batch<ImageScale>>, epoch: number) {
  return Array.from(sampler.epoch(epoch), (b) => [b.height, b.width, [...b.indices]]);
}

describe("one process", async () => {
  const { json } = await loadGolden("multiscale-sampler/epochs-single");

  each(json.cases)("$title ($sampler)", (c) => {
    const sampler = samplerOf(c);
    expect(sampler.sampleCount).toBe(c.length);
    if (c.tuples) expect(tuples(scalesOf(c))).toEqual(c.tuples);
    for (const [epoch, batches] of Object.entries(c.epochs)) {
      expect(batchesOf(sampler, Number(epoch))).toEqual(batches);
      expect(sampler.epoch(Number(epoch)).length).toBe((batches as unknown[]).length);
    }
  });

  test("a subset of the samples", () => {
    const { config, epoch, batches, length, ...c } = json.update_indices;
    const sampler = createSampler({
      samples: c["new indices"],
      scales: scalesOf(config),
      lastBatch: "once",
      random: cpython,
    });
    expect(sampler.sampleCount).toBe(length);
    expect(batchesOf(sampler, epoch)).toEqual(batches);
  });
});

describe("several ranks", async () => {
  const { json } = await loadGolden("multiscale-sampler/epochs-distributed");

  each(json.cases)("$title", (c) => {
    for (const [rank, epochs] of Object.entries<Record<string, unknown>>(c.ranks)) {
      const sampler = samplerOf({ ...c, sampler: c.sampler.replace("_ddp", "") }, Number(rank));
      expect(sampler.sampleCount).toBe(c["length per rank"]);
      for (const [epoch, batches] of Object.entries(epochs)) {
        expect(batchesOf(sampler, Number(epoch))).toEqual(batches);
      }
    }
  });
});

describe("statistics of epochs", async () => {
  const { json } = await loadGolden("multiscale-sampler/statistics");

  each(json.epochs)("$samples samples, epoch $epoch", (c) => {
    const scales = variableBatchScales({ baseSize: 224, baseBatch: 128, minSize: 128, maxSize: 320 });
    const epoch = createSampler({ samples: c.samples, scales, random: cpython, lastBatch: "once" }).epoch(
      c.epoch,
    );
    const batches = [...epoch];
    const pixels = batches.reduce((sum, b) => sum + b.height * b.width * b.batchSize, 0);
    expect(epoch.length).toBe(c.steps);
    expect(epoch.paddedCount).toBe(c["images with padding"]);
    expect(pixels / (c.samples * 224 ** 2)).toBeCloseTo(c["pixel cost / (samples 224^2)"], 6);
    expect(batches.slice(0, 16).map((b) => b.height)).toEqual(c.sides);
  });
});

describe("scale_inc", async () => {
  const { json } = await loadGolden("multiscale-sampler/scale-inc");

  each(json.cases)("$title", (c) => {
    const { ep_intervals = [40], min_scale_inc_factor = 1, max_scale_inc_factor = 1 } = c.options;
    const listed = [ep_intervals].flat();
    const called: number[] = [];
    for (const call of c["calls in order"]) {
      const epoch = call.update_scales;
      if (listed.includes(epoch)) called.push(epoch); // the reference grows once for each call
      const scales = growingScales({
        ...rangeOf(c),
        baseBatch: c.batch,
        growAtEpochs: called,
        minFactor: min_scale_inc_factor,
        maxFactor: max_scale_inc_factor,
      });
      expect(tuples(scales(epoch))).toEqual(call.tuples);
    }
  });
});

describe("curriculum", async () => {
  const { json } = await loadGolden("multiscale-sampler/curriculum");

  test("the scales of ten epochs", () => {
    const scales = curriculumScales({ baseSize: 224, baseBatch: 128, epochs: 10 });
    for (const { epoch, tuples: want } of json.small) expect(tuples(scales(epoch))).toEqual(want);
  });

  each(json.table)("$schedule $extra, grow until $growUntil, $epochs epochs", (c) => {
    const shapes = { polynomial: { power: c.extra }, "multi-step": { milestones: c.extra } };
    const shape = shapes[c.schedule as keyof typeof shapes] ?? c.schedule;
    for (const includeBase of ["inRange", "always"] as const) {
      const { epochs, growUntil } = c;
      const scales = curriculumScales({
        baseSize: 224,
        baseBatch: 128,
        epochs,
        growUntil,
        shape,
        includeBase,
      });
      let sum = 0;
      for (let epoch = 0; epoch < epochs; epoch++) {
        const list = scales(epoch);
        const pixels = list.reduce((total, s) => total + s.height * s.width * s.batchSize, 0);
        sum += pixels / (224 ** 2 * list.reduce((total, s) => total + s.batchSize, 0));
      }
      expect(sum / epochs).toBeCloseTo(c[`rho, base ${includeBase}`], 6);
    }
  });

  test("is whole at its end", () => {
    expect(curriculumProgress(299, { epochs: 300, growUntil: 1 })).toBe(1);
  });
});

describe("video", async () => {
  const { json } = await loadGolden("multiscale-sampler/video");
  const named = (name: string) =>
    json.cases
      .filter((c: Config) => c.sampler?.startsWith(name))
      .map((c: Config & { rank?: number | null }) => ({ title: "fixed", ...c, rank: c.rank ?? undefined }));

  each(named("video_batch_sampler"))("fixed, training $training, rank $rank", (c) => {
    const sampler = createSampler({
      ...orderOf(c, c.rank),
      scales: fixedVideoScale({ size: size(c.base), batchSize: c.batch, frames: c.frames, clips: c.clips }),
      lastBatch: c.rank === undefined ? "short" : "once",
      random: cpython,
    });
    const batches = Array.from(sampler.epoch(c.epoch), (b) =>
      Array.from(b.indices, (index) => [b.height, b.width, index, b.frames, b.clips]),
    );
    expect(batches).toEqual(c.batches);
  });

  each(named("video_variable_seq"))("variable frames, $title, rank $rank", (c) => {
    const { num_frames_per_clip, clips_per_video, random_video_clips, ...limits } = c.options;
    const scales = c.training
      ? variableFramesScales({
          ...rangeOf(c),
          batchSize: c.batch,
          baseFrames: num_frames_per_clip,
          clips: clips_per_video,
        })
      : fixedVideoScale({
          size: size(c.base),
          batchSize: c.batch,
          frames: num_frames_per_clip,
          clips: clips_per_video,
        });
    expect(scales.map((s) => [s.height, s.width, s.frames])).toEqual(c.tuples);
    const sampler = createSampler<VideoScale>({
      ...orderOf(c, c.rank),
      scales,
      lastBatch: "once",
      random: cpython,
      ...(random_video_clips && {
        draw: randomClips({ minClips: limits.min_clips_per_video, maxClips: limits.max_clips_per_video }),
      }),
    });
    for (const [epoch, batches] of Object.entries(c.epochs)) {
      const got = Array.from(sampler.epoch(Number(epoch)), (b) =>
        Array.from(b.indices, (index) => [b.height, b.width, index, b.frames, b.clips]),
      );
      expect(got).toEqual(batches);
    }
  });

  each(named("video_clip_batch"))("clips by length, $title, rank $rank of $world", (c) => {
    const { options, training } = c;
    const rates = c["fps scales in drawing order"];
    expect(fpsScales()).toEqual([1, 1.375, 1.75, 2.125, 2.5]);
    const sampler = createVideoClipSampler({
      samples: c.samples,
      shuffle: training,
      scales: scalesOf({ ...c, sampler: "variable_batch_sampler" }),
      baseSize: size(c.base),
      metadata: (index) => {
        const video = json.metadata["of sample i"][index];
        return {
          durationSeconds: video.video_duration,
          frameCount: video.total_video_frames,
          fps: video.video_fps,
        };
      },
      fpsScales: rates,
      clipsPerSecond: training
        ? (options.num_clips_per_second_train ?? 1)
        : (options.num_clips_per_second_val ?? 4),
      ...(options.num_clips_per_second_train === 0 && { minClips: -Infinity }),
      maxClips: options.max_num_clips_per_batch ?? 50,
      samplesPerClip: training ? (options.num_samples_per_clip ?? 1) : 1,
      ...(c.rank !== undefined && { ranks: { rank: c.rank, worldSize: c.world } }),
      random: cpython,
    });
    for (const [epoch, batches] of Object.entries(c.epochs)) {
      const got = Array.from(sampler.epoch(Number(epoch)), (b) =>
        Array.from(b.indices, (index, i) => {
          return [b.height, b.width, index, b.frames, b.clips[i], b.videoFps, b.audioFps, b.samplesPerClip];
        }),
      );
      expect(got).toEqual(batches);
    }
  });
});

describe("chain", async () => {
  const { json } = await loadGolden("multiscale-sampler/chain");

  each(json.cases)("$mode, $title", (c) => {
    const random = sharedCpython();
    const names = { batch_sampler: "bs", multi_scale_sampler: "msc", variable_batch_sampler: "vbs" };
    const member = ({ task_name, train_batch_size0, sampler_config }: (typeof c.config)[number]) => {
      const name: keyof typeof names = sampler_config.name;
      const o = sampler_config[names[name]];
      const config: Config = {
        sampler: name,
        base: [o.crop_size_height, o.crop_size_width],
        min: [o.min_crop_size_height, o.min_crop_size_width],
        max: [o.max_crop_size_height, o.max_crop_size_width],
        n: o.max_n_scales ?? 5,
        d: o.check_scale,
        batch: train_batch_size0,
      };
      const options = { samples: c.samples[task_name], scales: scalesOf(config), random };
      return name === "batch_sampler"
        ? createSampler({ ...options, lastBatch: "short", draw: (_, [only]) => only as ImageScale }) // draws nothing
        : createSampler({ ...options, lastBatch: "once" });
    };
    const tasks: Record<string, Sampler<Batch<ImageScale>>> = Object.fromEntries(
      c.config.map((config: { task_name: string }) => [config.task_name, member(config)]),
    );
    const sampler = createChainSampler({ tasks, mode: c.mode });
    expect(sampler.sampleCount).toBe(c.length);

    const got = Array.from(sampler.epoch(c.epoch), (b) => [b.height, b.width, [...b.indices], b.task]);
    const want = c.batches.map((batch: unknown[], i: number) => [
      ...batch.slice(0, 3),
      c["corrected task names"]?.[i] ?? batch[3],
    ]);
    expect(got).toEqual(want);
  });
});
