import {
  type Tensor,
  type Tensor3D,
  type Tensor4D,
  tensor,
  type WebGpuHost,
  type WgslProgram,
  wgslMath,
} from "@corenet/tensor";
import type {
  AttentionAttrs,
  AttentionGradInputs,
  AttentionGradOutputs,
  AttentionInputs,
  AttentionOutputs,
} from "./op.ts";

// The queries of the heads that share keys are rows of one matrix [g·T, d]. A workgroup holds a tile of one side,
// queries or keys, and walks over the other in pieces of as many as it has invocations: each invocation first takes one
// of the piece and meets it with the whole tile, then takes one column of the result and adds up the piece.

const GROUP = 64; // invocations, and the length of a piece

const uniforms = {
  rows: "u32", // B · H · T
  H: "u32",
  Hkv: "u32",
  T: "u32",
  S: "u32",
  capacity: "u32",
  scale: "f32",
  causal: "u32",
} as const;

interface Kind {
  /** The width of a head. */
  readonly d: number;
  /** How many queries or keys a tile has. */
  readonly tile: number;
  /** Where the keys begin that count: at the first of all, at one of each row of the batch, or at one of each query. */
  readonly begins: "first" | "row" | "query";
}

const firstKeyCode = {
  first: "0u",
  row: "u32(validFrom[batch])",
  query: "u32(validFrom[batch * u.T + row % u.T])",
} as const;

/** WGSL that all programs begin with; the query of a row sees the keys from firstKey up to, not with, endOfKeys. */
const commonCode = ({ d, tile, begins }: Kind): string => /* wgsl */ `${wgslMath}
const d = ${d}u;
const TILE = ${tile}u;
fn firstKey(batch: u32, row: u32) -> u32 { return ${firstKeyCode[begins]}; }
fn endOfKeys(row: u32) -> u32 { return select(u.S, u.S - u.T + row % u.T + 1u, u.causal == 1u); }`;

const startReads = ({ begins }: Kind): Record<string, string> =>
  begins === "first" ? {} : { validFrom: "i32" };

const memo = new Map<string, WgslProgram>();

function programOf(name: string, kind: Kind, make: () => Omit<WgslProgram, "name">): WgslProgram {
  const full = `${name} of ${kind.d} by ${kind.tile}, from ${kind.begins}`;
  const known = memo.get(full) ?? { name: full, ...make() };
  memo.set(full, known);
  return known;
}

/** WGSL for each of a tile, whose number stands for #. */
const each = ({ tile }: Kind, code: string): string =>
  Array.from({ length: tile }, (_, i) => code.replaceAll("#", String(i))).join("\n    ");

/** WGSL for each sum that an invocation keeps: # is its number, $ the one of the tile, @ the column beside `local`. */
const eachSum = ({ d, tile }: Kind, code: string): string =>
  Array.from({ length: Math.ceil(d / GROUP) * tile }, (_, i) =>
    code
      .replaceAll("#", String(i))
      .replaceAll("$", String(i % tile))
      .replaceAll("@", String(Math.floor(i / tile) * GROUP)),
  ).join("\n    ");

/** WGSL that loads the columns of a row of `array` that an invocation adds up. */
const loadColumns = ({ d }: Kind, array: string, first: string): string =>
  Array.from(
    { length: Math.ceil(d / GROUP) },
    (_, c) => `let ${array}${c * GROUP} = ${array}[${first} + min(local + ${c * GROUP}u, d - 1u)];`,
  ).join(" ");

/**
 * WGSL that meets one row with the whole tile: for each name the scores name0, name1, … of a row of an array, which
 * begins somewhere, with the columns of a tile.
 */
const meetTile = (
  kind: Kind,
  scores: Readonly<Record<string, readonly [array: string, first: string, tile: string]>>,
): string => {
  const all = Object.entries(scores);
  const start = all.map(([name]) => `var ${name}# = 0.0;`).join(" ");
  const parts = all.map(([name, [array, first]]) => `let ${name} = ${array}[${first} + j];`).join(" ");
  const sums = all.map(([name, [, , tile]]) => `${name}# = fma(${name}, ${tile}[j * TILE + #u], ${name}#);`);
  return `${each(kind, start)}
    for (var j = 0u; j < d; j++) {
      ${parts}
      ${each(kind, sums.join(" "))}
    }`;
};

/** WGSL: which queries a workgroup holds, rows of the matrix of a head of keys. */
const queryTile = /* wgsl */ `let perHead = u.H / u.Hkv * u.T;
  let tiles = (perHead + TILE - 1u) / TILE;
  let head = group / tiles; // of keys, over all of the batch
  let row0 = group % tiles * TILE;
  let count = min(TILE, perHead - row0);
  let batch = head / u.Hkv;`;

/** WGSL: from which key to which any of the tile's queries sees. */
const visibleKeys = /* wgsl */ `var begin = u.S;
  var end = 0u;
  for (var i = 0u; i < count; i++) {
    begin = min(begin, firstKey(batch, row0 + i));
    end = max(end, endOfKeys(row0 + i));
  }`;

/**
 * Online softmax: the sums so far are scaled down whenever a larger score turns up.
 *
 * @see Dao et al. 2022, arXiv:2205.14135, alg. 1
 */
function forwardProgram(kind: Kind): WgslProgram {
  const { d, tile } = kind;
  return programOf("attention", kind, () => ({
    reads: { q: "f32", k: "f32", v: "f32", ...startReads(kind) },
    writes: { y: "f32", lse: "f32" },
    uniforms,
    workgroupSize: GROUP,
    code: /* wgsl */ `${commonCode(kind)}
const HIDDEN = -1e30;
var<workgroup> queries: array<f32, ${d * tile}>; // [d, TILE]
var<workgroup> scores: array<f32, ${tile * GROUP}>; // [TILE, GROUP]; then the weights
var<workgroup> top: array<f32, ${tile}>;
var<workgroup> total: array<f32, ${tile}>;
var<workgroup> shrink: array<f32, ${tile}>;

fn main(group: u32, local: u32) {
  ${queryTile}
  for (var i = local; i < d * TILE; i += WORKGROUP) {
    let row = row0 + min(i % TILE, count - 1u);
    queries[i] = q[(head * perHead + row) * d + i / TILE] * u.scale;
  }
  if (local < TILE) {
    top[local] = HIDDEN;
    total[local] = 0.0;
  }
  ${eachSum(kind, "var sum# = 0.0;")}
  ${visibleKeys}
  workgroupBarrier();
  for (var piece = begin / WORKGROUP * WORKGROUP; piece < end; piece += WORKGROUP) {
    let key = piece + local;
    let atKey = (head * u.capacity + min(key, u.S - 1u)) * d;
    ${meetTile(kind, { s: ["k", "atKey", "queries"] })}
    ${each(kind, "scores[#u * WORKGROUP + local] = select(HIDDEN, s#, key >= firstKey(batch, row0 + #u) && key < endOfKeys(row0 + #u));")}
    workgroupBarrier();
    if (local < TILE) {
      var largest = top[local];
      for (var i = 0u; i < WORKGROUP; i++) { largest = max(largest, scores[local * WORKGROUP + i]); }
      shrink[local] = exponential(top[local] - largest);
      top[local] = largest;
    }
    workgroupBarrier();
    for (var i = local; i < TILE * WORKGROUP; i += WORKGROUP) {
      let score = scores[i];
      scores[i] = select(exponential(score - top[i / WORKGROUP]), 0.0, score == HIDDEN);
    }
    workgroupBarrier();
    if (local < TILE) {
      var sum = 0.0;
      for (var i = 0u; i < WORKGROUP; i++) { sum += scores[local * WORKGROUP + i]; }
      total[local] = total[local] * shrink[local] + sum;
    }
    ${eachSum(kind, "sum# *= shrink[$];")}
    for (var i = 0u; i < min(WORKGROUP, end - piece); i++) {
      let atValue = (head * u.capacity + piece + i) * d;
      ${loadColumns(kind, "v", "atValue")}
      ${eachSum(kind, "sum# = fma(scores[$u * WORKGROUP + i], v@, sum#);")}
    }
    workgroupBarrier();
  }
  ${eachSum(
    kind,
    `if (local + @u < d && $u < count) {
      y[(head * perHead + row0 + $u) * d + local + @u] = select(sum# / total[$], 0.0, total[$] == 0.0);
    }`,
  )}
  if (local < count) { lse[head * perHead + row0 + local] = top[local] + logarithm(total[local]); }
}`,
  }));
}

/** lse and Σ y · dy of each row, side by side [2, rows]: a device need not bind more than eight arrays. */
const statistics: WgslProgram = {
  name: "attentionGrad, statistics",
  reads: { y: "f32", dy: "f32", lse: "f32" },
  writes: { stats: "f32" },
  uniforms: { rows: "u32", d: "u32" },
  workgroupSize: GROUP,
  code: /* wgsl */ `
fn main(group: u32, local: u32) {
  let row = group * WORKGROUP + local;
  if (row >= u.rows) { return; }
  var along = 0.0;
  for (var j = 0u; j < u.d; j++) { along = fma(y[row * u.d + j], dy[row * u.d + j], along); }
  stats[row] = lse[row];
  stats[u.rows + row] = along;
}`,
};

/** WGSL: the weight that the forward pass gave a score, of the query in row `at`. */
const weightCode = /* wgsl */ `
fn weightOf(score: f32, at: u32, seen: bool) -> f32 { return select(0.0, exponential(score - stats[at]), seen); }`;

/** dQ of a tile of queries, over the keys: dS = P ⊙ (dY·Vᵀ − Σ y · dy), dQ = dS·K / √d. */
function queryGradProgram(kind: Kind): WgslProgram {
  const { d, tile } = kind;
  return programOf("attentionGrad, queries", kind, () => ({
    reads: { q: "f32", k: "f32", v: "f32", dy: "f32", stats: "f32", ...startReads(kind) },
    writes: { dq: "f32" },
    uniforms,
    workgroupSize: GROUP,
    code: /* wgsl */ `${commonCode(kind)}${weightCode}
var<workgroup> queries: array<f32, ${d * tile}>; // [d, TILE]
var<workgroup> arriving: array<f32, ${d * tile}>;
var<workgroup> slopes: array<f32, ${tile * GROUP}>; // [TILE, GROUP]

fn main(group: u32, local: u32) {
  ${queryTile}
  for (var i = local; i < d * TILE; i += WORKGROUP) {
    let at = (head * perHead + row0 + min(i % TILE, count - 1u)) * d + i / TILE;
    queries[i] = q[at] * u.scale;
    arriving[i] = dy[at];
  }
  ${eachSum(kind, "var sum# = 0.0;")}
  ${visibleKeys}
  workgroupBarrier();
  for (var piece = begin / WORKGROUP * WORKGROUP; piece < end; piece += WORKGROUP) {
    let key = piece + local;
    let atKey = (head * u.capacity + min(key, u.S - 1u)) * d;
    ${meetTile(kind, { s: ["k", "atKey", "queries"], p: ["v", "atKey", "arriving"] })}
    ${each(
      kind,
      `{
      let at = head * perHead + row0 + min(#u, count - 1u);
      let seen = key >= firstKey(batch, row0 + #u) && key < endOfKeys(row0 + #u);
      slopes[#u * WORKGROUP + local] = weightOf(s#, at, seen) * (p# - stats[u.rows + at]);
    }`,
    )}
    workgroupBarrier();
    for (var i = 0u; i < min(WORKGROUP, end - piece); i++) {
      let first = (head * u.capacity + piece + i) * d;
      ${loadColumns(kind, "k", "first")}
      ${eachSum(kind, "sum# = fma(slopes[$u * WORKGROUP + i], k@, sum#);")}
    }
    workgroupBarrier();
  }
  ${eachSum(
    kind,
    `if (local + @u < d && $u < count) { dq[(head * perHead + row0 + $u) * d + local + @u] = sum# * u.scale; }`,
  )}
}`,
  }));
}

/** dK and dV of a tile of keys, over the queries: dK = dSᵀ·Q / √d, dV = Pᵀ·dY. */
function keyGradProgram(kind: Kind): WgslProgram {
  const { d, tile } = kind;
  return programOf("attentionGrad, keys", kind, () => ({
    reads: { q: "f32", k: "f32", v: "f32", dy: "f32", stats: "f32", ...startReads(kind) },
    writes: { dk: "f32", dv: "f32" },
    uniforms,
    workgroupSize: GROUP,
    code: /* wgsl */ `${commonCode(kind)}${weightCode}
var<workgroup> keys: array<f32, ${d * tile}>; // [d, TILE]
var<workgroup> values: array<f32, ${d * tile}>;
var<workgroup> weights: array<f32, ${tile * GROUP}>; // [TILE, GROUP]
var<workgroup> slopes: array<f32, ${tile * GROUP}>;

fn main(group: u32, local: u32) {
  let perHead = u.H / u.Hkv * u.T;
  let tiles = (u.capacity + TILE - 1u) / TILE;
  let head = group / tiles;
  let key0 = group % tiles * TILE;
  let batch = head / u.Hkv;
  for (var i = local; i < d * TILE; i += WORKGROUP) {
    let at = (head * u.capacity + min(key0 + i % TILE, u.capacity - 1u)) * d + i / TILE;
    keys[i] = k[at] * u.scale;
    values[i] = v[at];
  }
  ${eachSum(kind, "var sumK# = 0.0; var sumV# = 0.0;")}
  workgroupBarrier();
  for (var piece = 0u; piece < perHead; piece += WORKGROUP) {
    let last = min(piece + WORKGROUP, perHead) - 1u;
    // Pieces within one head's queries, all of which see only keys before the tile or behind it.
    if (piece / u.T == last / u.T && (endOfKeys(last) <= key0 || firstKey(batch, piece) >= key0 + TILE)) { continue; }
    let row = min(piece + local, perHead - 1u);
    let at = head * perHead + row;
    ${meetTile(kind, { s: ["q", "at * d", "keys"], p: ["dy", "at * d", "values"] })}
    ${each(
      kind,
      `{
      let seen = piece + local < perHead && key0 + #u >= firstKey(batch, row) && key0 + #u < endOfKeys(row);
      let weight = weightOf(s#, at, seen);
      weights[#u * WORKGROUP + local] = weight;
      slopes[#u * WORKGROUP + local] = weight * (p# - stats[u.rows + at]);
    }`,
    )}
    workgroupBarrier();
    for (var i = 0u; i < min(WORKGROUP, perHead - piece); i++) {
      let first = (head * perHead + piece + i) * d;
      ${loadColumns(kind, "q", "first")}
      ${loadColumns(kind, "dy", "first")}
      ${eachSum(kind, "sumK# = fma(slopes[$u * WORKGROUP + i], q@, sumK#); sumV# = fma(weights[$u * WORKGROUP + i], dy@, sumV#);")}
    }
    workgroupBarrier();
  }
  ${eachSum(
    kind,
    `if (local + @u < d && key0 + $u < u.capacity) {
      let at = (head * u.capacity + key0 + $u) * d + local + @u;
      dk[at] = sumK# * u.scale;
      dv[at] = sumV#;
    }`,
  )}
}`,
  }));
}

/**
 * The largest tile that leaves no half of it empty and fits the device.
 *
 * @param arrays - how many of [tile, d], and how many of [tile, GROUP], a workgroup holds
 */
function tileFor(host: WebGpuHost, d: number, count: number, arrays: readonly [number, number]): number {
  const bytes = 4 * (arrays[0] * d + arrays[1] * GROUP + 3);
  const room = Math.floor(host.limits.maxComputeWorkgroupStorageSize / bytes);
  for (const tile of [16, 8, 4, 2]) if (tile <= room && count > tile / 2) return tile;
  return 1;
}

export function attention(host: WebGpuHost) {
  return ([q, k, v]: AttentionInputs, attrs: AttentionAttrs): AttentionOutputs => {
    const [B, H, T, d] = q.shape;
    const [, Hkv] = k.shape;
    const y = host.output(q.shape, "float32") as Tensor4D;
    const lse = host.output([B, H, T], "float32") as Tensor3D;
    const perHead = (H / Hkv) * T;
    const kind = { d, tile: tileFor(host, d, perHead, [1, 1]), begins: beginsOf(q, attrs) };
    const run = { workgroups: B * Hkv * Math.ceil(perHead / kind.tile), uniforms: sizesOf(q, k, attrs) };
    host.run(forwardProgram(kind), { q, k, v, ...startsOf(attrs), y, lse }, run);
    return [y, lse];
  };
}

export function attentionGrad(host: WebGpuHost) {
  return ([q, k, v, y, lse, dy]: AttentionGradInputs, attrs: AttentionAttrs): AttentionGradOutputs => {
    const [B, H, T, d] = q.shape;
    const [, Hkv, capacity] = k.shape;
    const [dq, dk, dv] = [q, k, v].map((x) => host.output(x.shape, "float32")) as AttentionGradOutputs;
    const stats = host.output([2, lse.size], "float32");
    const each = { workgroups: Math.ceil(lse.size / GROUP), uniforms: { rows: lse.size, d } };
    host.run(statistics, { y, dy, lse, stats }, each);

    const uniforms = sizesOf(q, k, attrs);
    const begins = beginsOf(q, attrs);
    const inputs = { q, k, v, dy, stats, ...startsOf(attrs) };
    const perHead = (H / Hkv) * T;
    const queries = { d, tile: tileFor(host, d, perHead, [2, 1]), begins };
    const queryTiles = B * Hkv * Math.ceil(perHead / queries.tile);
    host.run(queryGradProgram(queries), { ...inputs, dq }, { workgroups: queryTiles, uniforms });
    const keys = { d, tile: Math.min(8, tileFor(host, d, capacity, [2, 2])), begins }; // two sums for each: half as many
    const keyTiles = B * Hkv * Math.ceil(capacity / keys.tile);
    host.run(keyGradProgram(keys), { ...inputs, dk, dv }, { workgroups: keyTiles, uniforms });
    return [dq, dk, dv];
  };
}

function sizesOf(q: Tensor4D, k: Tensor4D, { causal, length }: AttentionAttrs): Record<string, number> {
  const [B, H, T, d] = q.shape;
  const [, Hkv, capacity] = k.shape;
  return { rows: B * H * T, H, Hkv, T, S: length, capacity, scale: d ** -0.5, causal: Number(causal) };
}

function beginsOf(q: Tensor4D, { validFrom }: AttentionAttrs): Kind["begins"] {
  if (!validFrom) return "first";
  return validFrom.length === q.shape[0] ? "row" : "query";
}

/** The first visible keys, where they are not the first of all. Freed with the op's other intermediates. */
function startsOf({ validFrom }: AttentionAttrs): { validFrom?: Tensor } {
  return validFrom ? { validFrom: tensor(Int32Array.from(validFrom)) } : {};
}
