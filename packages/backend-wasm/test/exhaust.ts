// Fills the heap until nothing fits, in a process of its own, and prints what happened. See exhaust.test.ts.
import { wasm } from "@corenet/backend-wasm";
import {
  activeBackend,
  add,
  fill,
  matMul,
  ones,
  type Tensor,
  takeData,
  tensor,
  useBackend,
} from "@corenet/tensor";

await useBackend(wasm());
const { wasm: host } = activeBackend();
if (!host) throw new Error("exhaust: the active backend has no wasm host.");

const first = tensor([1, 2, 3]);
const [whole, column, row] = [ones([300_000]), ones([1024, 8]), ones([8, 1024])];
const blocks: Tensor[] = [];

/** What `work` throws; what it makes is kept. */
function failureOf(work: () => Tensor): { name: string; message: string; requestedBytes?: number } | null {
  try {
    blocks.push(work());
    return null;
  } catch (error) {
    const { name, message, requestedBytes } = error as Error & { requestedBytes?: number };
    return { name, message, requestedBytes };
  }
}

let failure = null;
for (let size = 2 ** 28; size >= 2 ** 20; size /= 2) {
  do
    failure = failureOf(() => host.output([size / 4], "float32")); // not written, so it costs no real memory
  while (!failure);
}
const between = tensor([4, 5, 6]); // what small room is left
const report = {
  failure,
  heapBytes: host.memory.buffer.byteLength,
  byFill: failureOf(() => fill([2 ** 20], 1)),
  byAdd: failureOf(() => add(whole, whole)),
  byMatMul: failureOf(() => matMul(column, row)),
  byTensor: failureOf(() => tensor(new Float32Array(2 ** 20))),
  scratch: failureOf(() => {
    host.scratch(2 ** 22);
    return first;
  }),
  first: [...(await takeData(first))],
  between: [...(await takeData(between))],
  after: [] as number[],
};
for (const block of blocks.splice(0, 4)) block.dispose();
report.after = [...(await takeData(fill([2 ** 20], 7))).slice(0, 2)];
process.stdout.write(JSON.stringify(report));
