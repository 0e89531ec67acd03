// Comparisons, conditions and choices. None has a gradient except `where`, which passes it to what was chosen.
import { checkDType } from "../check.ts";
import { runKernel } from "../raw.ts";
import { record } from "../tape.ts";
import type { Tensor } from "../types.ts";
import { type Operand, pairOf } from "./arithmetic.ts";
import { broadcastShapes, sumToShape } from "./broadcasting.ts";
import { zeros } from "./create.ts";
import { broadcastTo } from "./shape.ts";

const noGradient = () => () => [];

function compare(name: string, kernel: string, a: Operand, b: Operand): Tensor {
  const [left, right] = pairOf(name, a, b, ["float32", "int32"]);
  const result = record(name, [left, right], () => runKernel(kernel, { a: left, b: right }), noGradient);
  if (left !== a) left.dispose();
  if (right !== b) right.dispose();
  return result;
}

/** a = b, as bool. */
export function equal(a: Operand, b: Operand): Tensor {
  return compare("equal", "Equal", a, b);
}

/** a ≠ b, as bool. */
export function notEqual(a: Operand, b: Operand): Tensor {
  return compare("notEqual", "NotEqual", a, b);
}

/** a < b, as bool. */
export function less(a: Operand, b: Operand): Tensor {
  return compare("less", "Less", a, b);
}

/** a ≤ b, as bool. */
export function lessEqual(a: Operand, b: Operand): Tensor {
  return compare("lessEqual", "LessEqual", a, b);
}

/** a > b, as bool. */
export function greater(a: Operand, b: Operand): Tensor {
  return compare("greater", "Greater", a, b);
}

/** a ≥ b, as bool. */
export function greaterEqual(a: Operand, b: Operand): Tensor {
  return compare("greaterEqual", "GreaterEqual", a, b);
}

/** True where both are. */
export function logicalAnd(a: Tensor, b: Tensor): Tensor {
  return combine("logicalAnd", "LogicalAnd", a, b);
}

/** True where either is. */
export function logicalOr(a: Tensor, b: Tensor): Tensor {
  return combine("logicalOr", "LogicalOr", a, b);
}

/** True where x is not. */
export function logicalNot<T extends Tensor>(x: T): T {
  checkDType("logicalNot", x, "bool");
  return record("logicalNot", [x], () => runKernel("LogicalNot", { x }) as T, noGradient);
}

/** True where x is neither NaN nor infinite. */
export function isFinite<T extends Tensor>(x: T): T {
  checkDType("isFinite", x, "float32");
  return record("isFinite", [x], () => runKernel("IsFinite", { x }) as T, noGradient);
}

/**
 * Picks `a` where `condition` holds and `b` elsewhere; all three broadcast.
 *
 * @param condition - bool
 */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  checkDType("where: condition", condition, "bool");
  const [left, right] = pairOf("where", a, b, ["float32", "int32"]);
  const shape = broadcastShapes("where", condition.shape, broadcastShapes("where", left.shape, right.shape));
  const full = (x: Tensor) => broadcastTo(x, shape);
  const result = record(
    "where",
    [condition, left, right],
    () => runKernel("Select", { condition: full(condition), t: full(left), e: full(right) }),
    ({ needs, save }) => {
      const kept = save(condition);
      return ([dy]) => {
        if (!dy) return [];
        const chosen = full(kept);
        const nothing = zeros(shape);
        return [
          null,
          needs[1] && sumToShape(runKernel("Select", { condition: chosen, t: dy, e: nothing }), left.shape),
          needs[2] && sumToShape(runKernel("Select", { condition: chosen, t: nothing, e: dy }), right.shape),
        ];
      };
    },
  );
  if (left !== a) left.dispose();
  if (right !== b) right.dispose();
  return result;
}

function combine(name: string, kernel: string, a: Tensor, b: Tensor): Tensor {
  checkDType(`${name}: a`, a, "bool");
  checkDType(`${name}: b`, b, "bool");
  const shape = broadcastShapes(name, a.shape, b.shape);
  const forward = () => runKernel(kernel, { a: broadcastTo(a, shape), b: broadcastTo(b, shape) });
  return record(name, [a, b], forward, noGradient);
}
