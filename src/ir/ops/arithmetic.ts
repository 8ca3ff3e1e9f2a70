/**
 * Arithmetic maps: sums, products, quotients, roundings, the larger and the smaller.
 *
 * Integers wrap at 32 bits. `div` is the true quotient and gives f32 for integers too, as torch.
 * Letters: g cotangent, y result, a, b, x operands.
 */
import type { GlslType, Node } from "../node.ts";
import { eq, gt, le, lt, where } from "./compare.ts";
import {
  binary,
  choose,
  compare,
  constant,
  float,
  isInt,
  negated,
  numeric,
  oneOf,
  same,
  signed,
  unary,
  type BinaryOp,
  type UnaryOp,
} from "./define.ts";

const span = { from: -2, to: 2 };
/** Integer probes take only whole numbers of it; away from 0, where div, sign and abs have kinks or poles. */
const offZero = { values: [-3, -2, -1.25, -0.5, 0.5, 1.25, 2, 3] };
const pairs = numeric.map((t) => [t, t]);
const each = numeric.map((t) => [t]);

export const add: BinaryOp = binary({
  name: "add",
  doc: "a + b.",
  dtype: same("add", numeric),
  evaluate: ([a, b]) => a! + b!,
  glsl: ([a, b]) => `${a} + ${b}`,
  js: ([a, b]) => `${a} + ${b}`,
  vjp: (g) => [g, g],
  samples: [span, span],
  probes: pairs,
  commutative: true,
  additive: true,
  neutral: { left: 0, right: 0 },
});

export const sub: BinaryOp = binary({
  name: "sub",
  doc: "a - b.",
  dtype: same("sub", numeric),
  evaluate: ([a, b]) => a! - b!,
  glsl: ([a, b]) => `${a} - ${b}`,
  js: ([a, b]) => `${a} - ${b}`,
  vjp: (g) => [g, neg(g)],
  samples: [span, span],
  probes: pairs,
  additive: true,
  neutral: { right: 0 },
});

export const mul: BinaryOp = binary({
  name: "mul",
  doc: "a * b.",
  dtype: same("mul", numeric),
  // A product of two 32-bit integers has more bits than a double.
  evaluate: ([a, b], _, [t]) => (isInt(t) ? Math.imul(a!, b!) : a! * b!),
  glsl: ([a, b]) => `${a} * ${b}`,
  js: ([a, b], [t]) => (isInt(t) ? `Math.imul(${a}, ${b})` : `${a} * ${b}`),
  vjp: (g, _, [a, b]) => [mul(g, b!), mul(g, a!)],
  samples: [span, span],
  probes: pairs,
  commutative: true,
  linear: [0, 1],
  absorbing: 0,
  neutral: { left: 1, right: 1 },
});

export const div: BinaryOp = binary({
  name: "div",
  doc: "a / b, the true quotient: integers give f32.",
  dtype(operands) {
    oneOf("div", operands, numeric);
    return "f32";
  },
  evaluate: ([a, b]) => a! / b!,
  glsl: ([a, b], t) => (t.element === "float" ? `${a} / ${b}` : `${t.mask}(${a}) / ${t.mask}(${b})`),
  js: ([a, b]) => `${a} / ${b}`,
  vjp: (g, y, [a, b]) => (isInt(a!.dtype) ? [null, null] : [div(g, b!), neg(mul(div(g, b!), y))]),
  samples: [span, { values: [-3, -2, -1.25, 1, 1.25, 2, 3] }],
  probes: pairs,
  linear: [0],
  neutral: { right: 1 },
});

export const neg: UnaryOp = unary({
  name: "neg",
  doc: "-x.",
  dtype: same("neg", numeric),
  evaluate: ([x]) => -x!,
  glsl: ([x]) => negated(x!),
  js: ([x]) => negated(x!),
  vjp: (g) => [neg(g)],
  samples: [span],
  probes: each,
  trivial: true,
  linear: [0],
});

export const reciprocal: UnaryOp = unary({
  name: "reciprocal",
  doc: "1 / x.",
  dtype: float("reciprocal"),
  evaluate: ([x]) => 1 / x!,
  glsl: ([x]) => `1.0 / ${x}`,
  js: ([x]) => `1 / ${x}`,
  vjp: (g, y) => [neg(mul(g, mul(y, y)))],
  samples: [offZero],
});

export const abs: UnaryOp = unary({
  name: "abs",
  doc: "|x|; the derivative at 0 is 0.",
  dtype: same("abs", signed),
  evaluate: ([x]) => Math.abs(x!),
  glsl: ([x]) => `abs(${x})`,
  js: ([x]) => `Math.abs(${x})`,
  vjp: (g, _, [x]) => [mul(g, sign(x!))],
  samples: [offZero],
  probes: [["f32"], ["i32"]],
});

export const sign: UnaryOp = unary({
  name: "sign",
  doc: "-1, 0 or 1; 0 for NaN.",
  dtype: same("sign", signed),
  evaluate: ([x]) => (x! > 0 ? 1 : x! < 0 ? -1 : 0),
  glsl: ([x]) => `sign(${x})`,
  js: ([x]) => `(${x} > 0 ? 1 : ${x} < 0 ? -1 : 0)`,
  vjp: null,
  samples: [{ values: [-3, -0.5, 0, 0.5, 2] }],
  probes: [["f32"], ["i32"]],
  trivial: true,
});

/** Between the steps of floor, ceil and round, whose derivative is 0 there. */
const offSteps = { values: [-2.75, -1.25, -0.625, 0.125, 0.625, 1.25, 2.75, 1e6 + 0.25] };

export const floor: UnaryOp = unary({
  name: "floor",
  doc: "The largest whole number not above x.",
  dtype: float("floor"),
  evaluate: ([x]) => Math.floor(x!),
  glsl: ([x]) => `floor(${x})`,
  js: ([x]) => `Math.floor(${x})`,
  vjp: null,
  samples: [offSteps],
});

export const ceil: UnaryOp = unary({
  name: "ceil",
  doc: "The smallest whole number not below x.",
  dtype: float("ceil"),
  evaluate: ([x]) => Math.ceil(x!),
  glsl: ([x]) => `ceil(${x})`,
  js: ([x]) => `Math.ceil(${x})`,
  vjp: null,
  samples: [offSteps],
});

/** Math.round goes up at a half, whatever the parity. */
function roundEven(x: number): number {
  const low = Math.floor(x);
  const rest = x - low;
  if (rest !== 0.5) return rest < 0.5 ? low : low + 1;
  return low % 2 === 0 ? low : low + 1;
}

export const round: UnaryOp = unary({
  name: "round",
  doc: "The nearest whole number, halves to even.",
  dtype: float("round"),
  evaluate: ([x]) => roundEven(x!),
  glsl: ([x]) => `roundEven(${x})`,
  js: ([x]) => `roundEven(${x})`,
  helpers: [
    {
      name: "roundEven",
      source:
        "(x) => { const low = Math.floor(x), rest = x - low; return rest === 0.5 ? (low % 2 === 0 ? low : low + 1) : rest < 0.5 ? low : low + 1; }",
    },
  ],
  vjp: null,
  samples: [{ values: [-2.75, -2.5, -1.5, -0.625, 0.125, 0.5, 1.5, 2.5, 2.75] }],
});

export const relu: UnaryOp = unary({
  name: "relu",
  doc: "max(x, 0); the derivative at 0 is 0. NaN stays NaN where the driver compares as IEEE 754.",
  dtype: same("relu", signed),
  evaluate: ([x]) => (x! < 0 ? 0 : x!),
  // Not max(x, 0.0), which turns NaN into 0 and so hides a diverged training.
  glsl: ([x], t) =>
    t.element === "float" ? choose(t, compare(t, x!, "<", constant(t, "0.0")), constant(t, "0.0"), x!) : `max(${x}, 0)`,
  js: ([x]) => `(${x} < 0 ? 0 : ${x})`,
  vjp: (g, y) => [where(le(y, 0), 0, g)],
  samples: [offZero],
  probes: [["f32"], ["i32"]],
});

/** The cotangent of an operand: none where it loses, half on a tie; all of it beside a NaN, as torch. */
function shared(g: Node, loses: Node, ties: Node): Node {
  return where(loses, 0, where(ties, mul(g, 0.5), g));
}

/** GLSL's max(x, y) is y where x < y and x elsewhere, so a NaN in x stays; one in y is put through by hand. */
const extreme = (call: "max" | "min", a: string, b: string, t: GlslType): string =>
  t.element === "float" ? choose(t, compare(t, b, "==", b), `${call}(${a}, ${b})`, b) : `${call}(${a}, ${b})`;

export const maximum: BinaryOp = binary({
  name: "maximum",
  doc: "The larger of two; a tie gives each half of the gradient. NaN wins where the driver compares as IEEE 754.",
  dtype: same("maximum", numeric),
  evaluate: ([a, b]) => Math.max(a!, b!),
  glsl: ([a, b], t) => extreme("max", a!, b!, t),
  js: ([a, b]) => `Math.max(${a}, ${b})`,
  vjp: (g, _, [a, b]) => [shared(g, lt(a!, b!), eq(a!, b!)), shared(g, gt(a!, b!), eq(a!, b!))],
  samples: [{ values: [-3, -1, 0.5, 2] }, { values: [-2, 0, 1, 2.5] }],
  probes: pairs,
  commutative: true,
});

export const minimum: BinaryOp = binary({
  name: "minimum",
  doc: "The smaller of two; a tie gives each half of the gradient. NaN wins where the driver compares as IEEE 754.",
  dtype: same("minimum", numeric),
  evaluate: ([a, b]) => Math.min(a!, b!),
  glsl: ([a, b], t) => extreme("min", a!, b!, t),
  js: ([a, b]) => `Math.min(${a}, ${b})`,
  vjp: (g, _, [a, b]) => [shared(g, gt(a!, b!), eq(a!, b!)), shared(g, lt(a!, b!), eq(a!, b!))],
  samples: [{ values: [-3, -1, 0.5, 2] }, { values: [-2, 0, 1, 2.5] }],
  probes: pairs,
  commutative: true,
});
