// Elementwise arithmetic of two operands, with broadcasting. A number stands for a tensor of its partner's dtype.
import { checkDType } from "../check.ts";
import { isTensor, runKernel } from "../raw.ts";
import { record } from "../tape.ts";
import type { DType, Tensor } from "../types.ts";
import { broadcastShapes, sumToShape } from "./broadcasting.ts";
import { scalar } from "./create.ts";

export type Operand = Tensor | number;

interface Saved {
  readonly a: Tensor;
  readonly b: Tensor;
}

interface BinaryRule {
  readonly name: string;
  readonly kernel: string;
  readonly dtypes: readonly DType[];
  /** d result / d a times dy, and the same for b, in the broadcast shape. */
  readonly gradientA: (dy: Tensor, saved: Saved) => Tensor;
  readonly gradientB: (dy: Tensor, saved: Saved) => Tensor;
  /** Which operands each gradient reads. */
  readonly reads: { readonly a: readonly ("a" | "b")[]; readonly b: readonly ("a" | "b")[] };
}

/** Wraps numbers as scalars of the other operand's dtype, and checks that both dtypes are one. */
export function pairOf(who: string, a: Operand, b: Operand, dtypes: readonly DType[]): [Tensor, Tensor] {
  const dtype = (isTensor(a) ? a.dtype : isTensor(b) ? b.dtype : "float32") as DType;
  const left = typeof a === "number" ? scalar(a, dtype) : a;
  const right = typeof b === "number" ? scalar(b, dtype) : b;
  checkDType(`${who}: the first operand`, left, ...dtypes);
  checkDType(`${who}: the second operand`, right, dtype);
  broadcastShapes(who, left.shape, right.shape);
  return [left, right];
}

function applyBinary(rule: BinaryRule, a: Operand, b: Operand): Tensor {
  const [left, right] = pairOf(rule.name, a, b, rule.dtypes);
  const result = record(
    rule.name,
    [left, right],
    () => runKernel(rule.kernel, { a: left, b: right }),
    ({ needs, save }) => {
      const read = new Set([...(needs[0] ? rule.reads.a : []), ...(needs[1] ? rule.reads.b : [])]);
      const saved = { a: read.has("a") ? save(left) : left, b: read.has("b") ? save(right) : right };
      const [shapeA, shapeB] = [left.shape, right.shape];
      return ([dy]) => [
        needs[0] && dy && sumToShape(rule.gradientA(dy, saved), shapeA),
        needs[1] && dy && sumToShape(rule.gradientB(dy, saved), shapeB),
      ];
    },
  );
  if (left !== a) left.dispose();
  if (right !== b) right.dispose();
  return result;
}

const numeric = ["float32", "int32"] as const;
const plain = (kernel: string, a: Tensor, b: Tensor): Tensor => runKernel(kernel, { a, b });
const negate = (x: Tensor): Tensor => runKernel("Neg", { x });
const asMask = (condition: Tensor): Tensor => runKernel("Cast", { x: condition }, { dtype: "float32" });
const maskBy = (dy: Tensor, condition: Tensor): Tensor => plain("Multiply", dy, asMask(condition));

const addRule: BinaryRule = {
  name: "add",
  kernel: "Add",
  dtypes: numeric,
  gradientA: (dy) => dy,
  gradientB: (dy) => dy,
  reads: { a: [], b: [] },
};
const subRule: BinaryRule = { ...addRule, name: "sub", kernel: "Sub", gradientB: (dy) => negate(dy) };
const mulRule: BinaryRule = {
  name: "mul",
  kernel: "Multiply",
  dtypes: numeric,
  gradientA: (dy, { b }) => plain("Multiply", dy, b),
  gradientB: (dy, { a }) => plain("Multiply", dy, a),
  reads: { a: ["b"], b: ["a"] },
};
const divRule: BinaryRule = {
  name: "div",
  kernel: "RealDiv",
  dtypes: ["float32"],
  gradientA: (dy, { b }) => plain("RealDiv", dy, b),
  gradientB: (dy, { a, b }) => negate(plain("RealDiv", plain("Multiply", dy, a), plain("Multiply", b, b))),
  reads: { a: ["b"], b: ["a", "b"] },
};
const maximumRule: BinaryRule = {
  name: "maximum",
  kernel: "Maximum",
  dtypes: numeric,
  gradientA: (dy, { a, b }) => maskBy(dy, plain("GreaterEqual", a, b)),
  gradientB: (dy, { a, b }) => maskBy(dy, plain("Less", a, b)),
  reads: { a: ["a", "b"], b: ["a", "b"] },
};
const minimumRule: BinaryRule = {
  ...maximumRule,
  name: "minimum",
  kernel: "Minimum",
  gradientA: (dy, { a, b }) => maskBy(dy, plain("LessEqual", a, b)),
  gradientB: (dy, { a, b }) => maskBy(dy, plain("Greater", a, b)),
};

/** a + b, elementwise with broadcasting. float32 or int32, both the same. */
export function add<T extends Tensor>(a: T, b: T | number): T;
export function add(a: Operand, b: Operand): Tensor;
export function add(a: Operand, b: Operand): Tensor {
  return applyBinary(addRule, a, b);
}

/** a − b, elementwise with broadcasting. float32 or int32, both the same. */
export function sub<T extends Tensor>(a: T, b: T | number): T;
export function sub(a: Operand, b: Operand): Tensor;
export function sub(a: Operand, b: Operand): Tensor {
  return applyBinary(subRule, a, b);
}

/** a · b, elementwise with broadcasting. float32 or int32, both the same. */
export function mul<T extends Tensor>(a: T, b: T | number): T;
export function mul(a: Operand, b: Operand): Tensor;
export function mul(a: Operand, b: Operand): Tensor {
  return applyBinary(mulRule, a, b);
}

/** a / b, elementwise with broadcasting. float32. */
export function div<T extends Tensor>(a: T, b: T | number): T;
export function div(a: Operand, b: Operand): Tensor;
export function div(a: Operand, b: Operand): Tensor {
  return applyBinary(divRule, a, b);
}

/** The larger of each pair; NaN where either is NaN. At a tie the gradient goes to `a`. */
export function maximum<T extends Tensor>(a: T, b: Operand): T {
  return applyBinary(maximumRule, a, b) as T;
}

/** The smaller of each pair; NaN where either is NaN. At a tie the gradient goes to `a`. */
export function minimum<T extends Tensor>(a: T, b: Operand): T {
  return applyBinary(minimumRule, a, b) as T;
}
