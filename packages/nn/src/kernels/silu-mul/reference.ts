import { add, concat, mul, sigmoid, silu, split, sub, type Tensor } from "@corenet/tensor";

export function siluMulReference([gateUp]: [Tensor]): [Tensor] {
  const { gate, up } = halves(gateUp);
  return [mul(silu(gate), up)];
}

/** silu′(g) = σ(g) · (1 + g · (1 − σ(g))). */
export function siluMulGradReference([gateUp, dy]: [Tensor, Tensor]): [Tensor] {
  const { gate, up } = halves(gateUp);
  const s = sigmoid(gate);
  const slope = mul(s, add(mul(gate, sub(1, s)), 1));
  const dGate = mul(mul(dy, up), slope);
  const dUp = mul(dy, mul(gate, s));
  return [concat([dGate, dUp], { axis: -1 })];
}

function halves(gateUp: Tensor): { gate: Tensor; up: Tensor } {
  const F = (gateUp.shape.at(-1) as number) / 2;
  const [gate, up] = split(gateUp, [F, F], { axis: -1 }) as [Tensor, Tensor];
  return { gate, up };
}
