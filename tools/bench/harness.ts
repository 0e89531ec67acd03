import { mkdir, writeFile } from "node:fs/promises";
import { cpus, totalmem } from "node:os";
import { join } from "node:path";
import { type Floor, measureFloor } from "./floor.ts";
import { median, type Summary, summarize } from "./statistics.ts";

/** One way to do the work. */
export interface Contender {
  name: string;
  /**
   * Does the work once and returns only after its result was read. Where it ran elsewhere (another process),
   * it gives the milliseconds it took there, so that the message is not counted; else the harness takes the time.
   */
  run(): Promise<number | undefined>;
}

/** What one run costs at least, counted by hand. */
export interface Work {
  /** Multiplications and additions. */
  flops?: number;
  /** Bytes that must move to or from memory. */
  bytes?: number;
}

export interface CompareOptions {
  /** Names the shapes: "matMul 512 x 512 x 512". */
  name: string;
  ours: Contender;
  /** May be empty: then only ours is measured. */
  peers: readonly Contender[];
  /** Rounds before the measurement. @default 3 */
  warmup?: number;
  /** Measured rounds; each runs every contender once. @default 20 */
  rounds?: number;
  work?: Work;
  floor?: Floor;
  /** Stops between two runs. */
  signal?: AbortSignal;
}

/** The timings of one contender. */
export interface Standing {
  name: string;
  /** Milliseconds of each round, in order. */
  ms: number[];
  summary: Summary;
  /**
   * Its time over ours, round by round: above 1 ours is faster. Neighbours in time are divided, so that a machine
   * that slows down on the way does not tilt the ratio. 1 for ours.
   */
  ratio: Summary;
  /** Of the median; absent where `work` does not say. */
  gflops?: number;
  gbps?: number;
  /** Median over the shortest time the floor allows for `work`: 1 is perfect. */
  timesFloor?: number;
}

export interface Comparison {
  name: string;
  warmup: number;
  rounds: number;
  work?: Work;
  /** Ours first, then the peers as given. */
  standings: Standing[];
}

/**
 * Runs ours and the peers in turns, A B A B …, in this process, and compares round by round.
 *
 * @throws RangeError when `rounds` or `warmup` is not a whole number in range, or two contenders share a name
 * @throws Error when a contender fails (its error is the cause) or reports a time that is not positive
 */
export async function compare(options: CompareOptions): Promise<Comparison> {
  const { name, ours, peers, warmup = 3, rounds = 20, work, floor, signal } = options;
  checkCount("rounds", rounds, 1);
  checkCount("warmup", warmup, 0);
  const contenders = [ours, ...peers];
  const twin = contenders.find((one, i) => contenders.findIndex((other) => other.name === one.name) !== i);
  if (twin) throw new RangeError(`compare: two contenders are named "${twin.name}". Give each its own name.`);

  const times: number[][] = contenders.map(() => []);
  for (let round = -warmup; round < rounds; round++) {
    for (const [i, contender] of contenders.entries()) {
      signal?.throwIfAborted();
      const ms = await time(contender);
      if (round >= 0) times[i]?.push(ms);
    }
  }

  const oursMs = times[0] ?? [];
  const standings = contenders.map((contender, i): Standing => {
    const ms = times[i] ?? [];
    const ratios = ms.map((value, round) => value / (oursMs[round] ?? Number.NaN));
    const rates = work ? ratesOf(work, median(ms), floor) : {};
    return { name: contender.name, ms, summary: summarize(ms), ratio: summarize(ratios), ...rates };
  });
  return { name, warmup, rounds, ...(work && { work }), standings };
}

function checkCount(what: string, value: number, least: number): void {
  if (Number.isInteger(value) && value >= least) return;
  throw new RangeError(`compare: ${what} is ${value}, expected a whole number of at least ${least}. Use 20.`);
}

async function time(contender: Contender): Promise<number> {
  const start = performance.now();
  let reported: number | undefined;
  try {
    reported = await contender.run();
  } catch (cause) {
    throw new Error(`compare: ${contender.name} failed. See the cause.`, { cause });
  }
  const ms = reported ?? performance.now() - start;
  if (Number.isFinite(ms) && ms > 0) return ms;
  throw new Error(`compare: ${contender.name} took ${ms} ms, expected more than 0. Does it do its work?`);
}

function ratesOf(work: Work, ms: number, floor?: Floor): Pick<Standing, "gflops" | "gbps" | "timesFloor"> {
  const { flops, bytes } = work;
  const peak = floor && Math.max(floor.fmaGflops || 0, floor.mulAddGflops);
  const floorMs = floor && peak && Math.max((flops ?? 0) / 1e6 / peak, (bytes ?? 0) / 1e6 / floor.readGBps);
  return {
    ...(flops !== undefined && { gflops: flops / 1e6 / ms }),
    ...(bytes !== undefined && { gbps: bytes / 1e6 / ms }),
    ...(floorMs && { timesFloor: ms / floorMs }),
  };
}

/** The comparison as lines of text: medians with quartiles, ratios, and rates where the work is known. */
export function formatComparison(comparison: Comparison): string {
  const { name, rounds, standings } = comparison;
  const rates = standings.some((standing) => standing.gflops ?? standing.gbps);
  const head = [
    "",
    "median ms",
    "q1 .. q3",
    `time / ${standings[0]?.name}`,
    ...(rates ? ["GFLOPS", "GB/s", "x floor"] : []),
  ];
  const rows = standings.map((standing, i) => {
    const { summary, ratio } = standing;
    const cells = [standing.name, digits(summary.median), `${digits(summary.q1)} .. ${digits(summary.q3)}`];
    cells.push(i === 0 ? "1" : `${digits(ratio.median)} (${digits(ratio.q1)} .. ${digits(ratio.q3)})`);
    return rates
      ? [...cells, digits(standing.gflops), digits(standing.gbps), digits(standing.timesFloor)]
      : cells;
  });
  return [`${name}, ${rounds} rounds`, ...alignColumns([head, ...rows])].join("\n");
}

/** A number that is no comparison, as a line of text. */
export function formatRecord(name: string, value: number): string {
  return `${name}: ${digits(value)}`;
}

function alignColumns(rows: readonly string[][]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
}

/** Three significant digits; "" where there is nothing. */
function digits(value: number | undefined): string {
  if (value === undefined) return "";
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

/** What a bench file exports by default. */
export interface Bench {
  /** Short and unique: `npm run bench -- NAME`, and the name of the JSON file. */
  name: string;
  /** What is compared with what, in one or two sentences. */
  description: string;
  run(context: BenchContext): Promise<void>;
}

/** What a bench is given. Everything it measures through `compare` or hands to `record` ends in its JSON file. */
export interface BenchContext {
  /** Aborted by the first Ctrl-C. Pass it on to long work. */
  readonly signal: AbortSignal;
  /** The machine's floor, measured at the first call. */
  floor(): Promise<Floor>;
  /** As the function `compare`, with the floor and the signal filled in; prints the table. */
  compare(options: Omit<CompareOptions, "floor" | "signal">): Promise<Comparison>;
  /** Keeps, and prints, a number that is no comparison: a loss, bytes of memory. The unit belongs into the name. */
  record(name: string, value: number): void;
  /** Keeps, and prints, a sentence: which peer is missing and why, a version. */
  note(sentence: string): void;
}

/** The content of `out/bench/<name>.json`. */
export interface BenchReport {
  name: string;
  description: string;
  /** ISO 8601. */
  date: string;
  command: string;
  machine: { cpu: string; cores: number; memoryBytes: number; platform: string; node: string; v8: string };
  floor?: Floor;
  comparisons: Comparison[];
  records: Record<string, number>;
  notes: string[];
}

/**
 * Runs one bench, prints its tables, and writes `<directory>/<name>.json`.
 *
 * @param options.directory - made if it is not there
 * @param options.print - takes a line or several
 * @throws what the bench throws; then nothing is written
 */
export async function runBench(
  bench: Bench,
  options: { directory: string; signal: AbortSignal; print: (text: string) => void },
): Promise<BenchReport> {
  const { directory, signal, print } = options;
  const comparisons: Comparison[] = [];
  const records: Record<string, number> = {};
  const notes: string[] = [];
  let floor: Promise<Floor> | undefined;
  const context: BenchContext = {
    signal,
    floor: () => {
      floor ??= measureFloor({ signal });
      return floor;
    },
    async compare(compareOptions) {
      const known = compareOptions.work ? { floor: await context.floor() } : {};
      const comparison = await compare({ ...compareOptions, ...known, signal });
      comparisons.push(comparison);
      print(`\n${formatComparison(comparison)}`);
      return comparison;
    },
    record(name, value) {
      records[name] = value;
      print(formatRecord(name, value));
    },
    note(sentence) {
      notes.push(sentence);
      print(sentence);
    },
  };

  print(`${bench.name}: ${bench.description}`);
  await bench.run(context);
  const report: BenchReport = {
    name: bench.name,
    description: bench.description,
    date: new Date().toISOString(),
    command: process.argv.join(" "),
    machine: {
      cpu: cpus()[0]?.model ?? "unknown",
      cores: cpus().length,
      memoryBytes: totalmem(),
      platform: `${process.platform} ${process.arch}`,
      node: process.version,
      v8: process.versions.v8,
    },
    ...(floor && { floor: await floor }),
    comparisons,
    records,
    notes,
  };
  if (report.floor) {
    const { fmaGflops, mulAddGflops, readGBps } = report.floor;
    print(
      `\nfloor: ${digits(fmaGflops)} GFLOPS fused, ${digits(mulAddGflops)} mul+add, ${digits(readGBps)} GB/s`,
    );
  }
  await mkdir(directory, { recursive: true });
  const file = join(directory, `${bench.name}.json`);
  await writeFile(file, `${JSON.stringify(report, null, 1)}\n`);
  print(`wrote ${file}`);
  return report;
}
