import { type DType, isTensor, readData, type Tensor } from "@corenet/tensor";

export interface AllCloseOptions {
  /** @default 1e-5, or 0 for integers and bools */
  atol?: number;
  /** @default 1e-4, or 0 for integers and bools */
  rtol?: number;
}

type Numbers = ArrayLike<number> & Iterable<number>;
/** A number, nested or flat numbers, a golden tensor, or a tensor. Flat numbers fit any shape of their length. */
export type Expected =
  | number
  | Nested
  | Numbers
  | Tensor
  | { readonly shape: readonly number[]; readonly data: Numbers };
type Nested = readonly (number | Nested)[];

interface Values {
  /** Null for flat numbers, whose shape nobody said. */
  readonly shape: readonly number[] | null;
  readonly data: Numbers;
}

/** What keeps `actual` from being close to `expected`, in words; null when it is close. */
export async function compareAllClose(
  actual: unknown,
  expected: Expected,
  options: AllCloseOptions = {},
): Promise<string | null> {
  if (!isTensor(actual)) return `toBeAllClose: got ${String(actual)}, expected a tensor.`;
  const exact = actual.dtype !== "float32";
  const { atol = exact ? 0 : 1e-5, rtol = exact ? 0 : 1e-4 } = options;
  const saw = { shape: actual.shape, data: await readData(actual, actual.dtype as DType) };
  const wanted = await toValues(expected);
  if (wanted.shape && wanted.shape.join() !== saw.shape.join()) {
    return `toBeAllClose: the shape is [${saw.shape}], expected [${wanted.shape}].`;
  }
  if (wanted.data.length !== saw.data.length) {
    return `toBeAllClose: got ${saw.data.length} elements [${saw.shape}], expected ${wanted.data.length}.`;
  }
  const far = Array.from(saw.data, (_, i) => i).filter(
    (i) => !isClose(saw.data[i] as number, wanted.data[i] as number, atol, rtol),
  );
  const [first] = far;
  if (first === undefined) return null;
  const list = far
    .slice(0, 5)
    .map((i) => `  [${position(i, saw.shape)}] ${saw.data[i]}, expected ${wanted.data[i]}`);
  return (
    `toBeAllClose: ${far.length} of ${saw.data.length} elements of [${saw.shape}] differ (atol ${atol}, rtol ${rtol}):\n` +
    list.join("\n")
  );
}

function isClose(actual: number, expected: number, atol: number, rtol: number): boolean {
  if (Number.isNaN(expected)) return Number.isNaN(actual);
  if (!Number.isFinite(expected)) return actual === expected;
  return Math.abs(actual - expected) <= atol + rtol * Math.abs(expected);
}

async function toValues(expected: Expected): Promise<Values> {
  if (typeof expected === "number") return { shape: [], data: [expected] };
  if (isTensor(expected)) {
    return { shape: expected.shape, data: await readData(expected, expected.dtype as DType) };
  }
  if ("data" in expected) return expected;
  if (!Array.isArray(expected)) return { shape: null, data: expected as Numbers };
  const nested: Nested = expected;
  const isFlat = nested.every((item) => typeof item === "number");
  return { shape: isFlat ? null : shapeOf(nested), data: flatten(nested) };
}

function flatten(nested: Nested): number[] {
  return nested.flatMap((item) => (typeof item === "number" ? item : flatten(item)));
}

function shapeOf(nested: Nested | number | undefined): number[] {
  return Array.isArray(nested) ? [nested.length, ...(nested.length ? shapeOf(nested[0]) : [])] : [];
}

function position(index: number, shape: readonly number[]): number[] {
  let rest = index;
  return shape
    .toReversed()
    .map((side) => {
      const at = rest % side;
      rest = (rest - at) / side;
      return at;
    })
    .reverse();
}
