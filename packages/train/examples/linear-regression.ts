import { wasm } from "@corenet/backend-wasm";
import { add, matMul, mean, readData, square, sub, tensor, useBackend } from "@corenet/tensor";
import { cosineSchedule, train } from "@corenet/train";

await useBackend(wasm());
const points = Array.from({ length: 64 }, (_, i) => i / 32 - 1);
const { params, history } = await train({
  params: { slope: tensor([[0]]), offset: tensor([0]) },
  loss: ({ slope, offset }, { x, y }) => mean(square(sub(add(matMul(x, slope), offset), y))),
  batches: {
    next: () => ({
      x: tensor(points, [64, 1]),
      y: tensor(
        points.map((x) => 3 * x + 2),
        [64, 1],
      ),
    }),
    save: () => null, // every batch is the same, so there is no position
    restore: () => {},
  },
  schedule: cosineSchedule({ peak: 0.1, total: 300 }),
  optimizer: { weightDecay: 0 },
  steps: 300,
});
console.log(history.at(-1)?.loss, await readData(params.slope), await readData(params.offset)); // 0, 3, 2
