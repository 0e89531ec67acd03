// Elementwise functions of one float32 tensor.
import { checkDType } from "../check.ts";
import { runKernel } from "../raw.ts";
import { record } from "../tape.ts";
import type { DType, Tensor } from "../types.ts";

interface UnaryRule {
  readonly name: string;
  readonly forward: (x: Tensor) => Tensor;
  /** What the gradient reads: the argument, the result, or neither. */
  readonly saves: "x" | "y" | "nothing";
  readonly gradient: (dy: Tensor, saved: Tensor) => Tensor;
  readonly dtypes?: readonly DType[];
}

function applyUnary<T extends Tensor>(rule: UnaryRule, x: T): T {
  checkDType(rule.name, x, ...(rule.dtypes ?? ["float32"]));
  const forward = () => rule.forward(x) as T;
  return record(rule.name, [x], forward, ({ save }, y) => {
    const saved = rule.saves === "nothing" ? y : save(rule.saves === "x" ? x : y);
    return ([dy]) => [dy && rule.gradient(dy, saved)];
  });
}

const run = (kernel: string) => (x: Tensor) => runKernel(kernel, { x });
const times = (a: Tensor, b: Tensor): Tensor => runKernel("Multiply", { a, b });
const over = (a: Tensor, b: Tensor): Tensor => runKernel("RealDiv", { a, b });
const minus = (a: Tensor, b: Tensor): Tensor => runKernel("Sub", { a, b });
const constant = (value: number): Tensor => runKernel("Fill", {}, { shape: [], value, dtype: "float32" });
const where = (condition: Tensor, t: Tensor, e: Tensor): Tensor => runKernel("Select", { condition, t, e });

const rules = {
  neg: {
    name: "neg",
    forward: run("Neg"),
    saves: "nothing",
    gradient: (dy) => run("Neg")(dy),
  },
  abs: {
    name: "abs",
    forward: run("Abs"),
    saves: "x",
    gradient: (dy, x) => times(dy, run("Sign")(x)),
  },
  square: {
    name: "square",
    forward: run("Square"),
    saves: "x",
    gradient: (dy, x) => times(dy, times(x, constant(2))),
  },
  sqrt: {
    name: "sqrt",
    forward: run("Sqrt"),
    saves: "y",
    gradient: (dy, y) => over(dy, times(y, constant(2))),
  },
  rsqrt: {
    name: "rsqrt",
    forward: run("Rsqrt"),
    saves: "y",
    gradient: (dy, y) => times(dy, times(times(y, run("Square")(y)), constant(-0.5))),
  },
  exp: {
    name: "exp",
    forward: run("Exp"),
    saves: "y",
    gradient: (dy, y) => times(dy, y),
  },
  log: {
    name: "log",
    forward: run("Log"),
    saves: "x",
    gradient: (dy, x) => over(dy, x),
  },
  tanh: {
    name: "tanh",
    forward: run("Tanh"),
    saves: "y",
    gradient: (dy, y) => times(dy, minus(constant(1), run("Square")(y))),
  },
  sigmoid: {
    name: "sigmoid",
    forward: run("Sigmoid"),
    saves: "y",
    gradient: (dy, y) => times(dy, times(y, minus(constant(1), y))),
  },
  relu: {
    name: "relu",
    forward: run("Relu"),
    saves: "y",
    gradient: (dy, y) => {
      const zero = constant(0);
      const full = runKernel("ZerosLike", { x: dy });
      return where(runKernel("Greater", { a: y, b: zero }), dy, full);
    },
  },
  silu: {
    name: "silu",
    forward: (x) => times(x, run("Sigmoid")(x)),
    saves: "x",
    gradient: (dy, x) => {
      const s = run("Sigmoid")(x);
      const slope = times(s, runKernel("Add", { a: constant(1), b: times(x, minus(constant(1), s)) }));
      return times(dy, slope);
    },
  },
} satisfies Record<string, UnaryRule>;

/** −x. */
export function neg<T extends Tensor>(x: T): T {
  return applyUnary(rules.neg, x);
}

/** |x|; the gradient at 0 is 0. */
export function abs<T extends Tensor>(x: T): T {
  return applyUnary(rules.abs, x);
}

/** x². */
export function square<T extends Tensor>(x: T): T {
  return applyUnary(rules.square, x);
}

/** √x; NaN below 0. */
export function sqrt<T extends Tensor>(x: T): T {
  return applyUnary(rules.sqrt, x);
}

/** 1/√x. */
export function rsqrt<T extends Tensor>(x: T): T {
  return applyUnary(rules.rsqrt, x);
}

/** eˣ. */
export function exp<T extends Tensor>(x: T): T {
  return applyUnary(rules.exp, x);
}

/** The natural logarithm. */
export function log<T extends Tensor>(x: T): T {
  return applyUnary(rules.log, x);
}

/** The hyperbolic tangent. */
export function tanh<T extends Tensor>(x: T): T {
  return applyUnary(rules.tanh, x);
}

/** 1 / (1 + e⁻ˣ). */
export function sigmoid<T extends Tensor>(x: T): T {
  return applyUnary(rules.sigmoid, x);
}

/** max(x, 0). */
export function relu<T extends Tensor>(x: T): T {
  return applyUnary(rules.relu, x);
}

/** x · sigmoid(x), also called swish. */
export function silu<T extends Tensor>(x: T): T {
  return applyUnary(rules.silu, x);
}
