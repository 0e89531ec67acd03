import type { ParallelWork } from "./backend.ts";

export interface ProductSize {
  readonly M: number;
  readonly N: number;
  readonly K: number;
  /** Of one number of B, as it is stored. */
  readonly bytesPerNumber: number;
  readonly threads: number;
  /** Rows and columns that a part has a multiple of. @default 6 and 8, the micro-kernel's tile */
  readonly rowTile?: number;
  readonly columnTile?: number;
}

export interface ProductParts {
  /** Whether a part is some columns of C, or some rows. */
  readonly byColumns: boolean;
  /** Rows or columns of a part, a multiple of the micro-kernel's tile. */
  readonly size: number;
  readonly work: ParallelWork;
}

const GRAIN_FLOPS = 500_000; // ten microseconds
const GRAIN_BYTES = 250_000; // the same for what is read from memory
const PARTS_PER_THREAD = 2; // a part packs all of the other side, so parts are few

/** How the kernel `gemmParts` shares a product [M, K] · [K, N] among threads: cut along the longer side. */
export function productParts({
  M,
  N,
  K,
  bytesPerNumber,
  threads,
  rowTile = 6,
  columnTile = 8,
}: ProductSize): ProductParts {
  const byColumns = N > M;
  const side = Math.max(M, N);
  const tile = byColumns ? columnTile : rowTile;
  const size = Math.ceil(side / threads / PARTS_PER_THREAD / tile) * tile;
  const tasks = Math.ceil(side / size);
  const other = Math.min(M, N);
  const partGrains = Math.max(
    (2 * size * other * K) / GRAIN_FLOPS,
    byColumns ? (size * K * bytesPerNumber) / GRAIN_BYTES : 0,
  );
  return { byColumns, size, work: { tasks, grain: Math.max(1, Math.ceil(1 / partGrains)) } };
}
