import { memory, treeLeaves } from "@corenet/tensor";
import { engine, type KernelBackend } from "@tensorflow/tfjs-core";

/**
 * Fails unless `work` frees all it makes, except for what it returns: tensors, trees of them or anything with a
 * `dispose`, which are then disposed. Counts tensors, their bytes, and the blocks of memory on every backend.
 */
export function expectNoLeak(work: () => Promise<unknown>): Promise<void>;
export function expectNoLeak(work: () => unknown): void;
export function expectNoLeak(work: () => unknown): void | Promise<void> {
  const before = count();
  const result = work();
  if (result instanceof Promise) return result.then((value) => compare(before, value));
  compare(before, result);
}

function compare(before: ReturnType<typeof count>, result: unknown): void {
  for (const leaf of treeLeaves<unknown>(result)) if (isDisposable(leaf)) leaf.dispose();
  const after = count();
  const kinds = Object.keys(before) as (keyof typeof before)[];
  const grown = kinds.filter((kind) => after[kind] !== before[kind]);
  if (grown.length === 0) return;
  const list = grown.map((kind) => `${kind} from ${before[kind]} to ${after[kind]}`);
  throw new Error(`expectNoLeak: ${list.join(", ")}, expected the same before and after.`);
}

function count(): { tensors: number; bytes: number; blocks: number } {
  const { numTensors, numBytes } = memory();
  const backends: KernelBackend[] = Object.values(engine().registry);
  const blocks = backends.reduce((total, backend) => total + backend.numDataIds(), 0);
  return { tensors: numTensors, bytes: numBytes, blocks };
}

function isDisposable(leaf: unknown): leaf is { dispose(): void } {
  return typeof leaf === "object" && leaf !== null && "dispose" in leaf && typeof leaf.dispose === "function";
}
