/**
 * Roots, exponentials, trigonometry and the squashing functions made of them.
 *
 * Drivers are inexact where it hurts: llvmpipe's tanh is 15 % off near 1e-3 and its log 2 % off near 1, sin and cos
 * lose their argument beyond some thousands, pow has no negative bases. Where the builtin is not good to 2e-5 relative,
 * the row calls a helper of ours; exp and sqrt are trusted.
 *
 * Letters: g cotangent, y result, x operand, a base, b exponent. Rules use y where that saves keeping x.
 */
import type { GlslFunction, GlslType } from "../node.ts";
import { add, div, mul, neg, sub } from "./arithmetic.ts";
import { and, eq, ge, where } from "./compare.ts";
import { binary, choose, compare, constant, float, glslNaN, unary, type BinaryOp, type UnaryOp } from "./define.ts";

const positive = { from: 0.1, to: 4 };
const signedSpan = { values: [-6, -2, -1, -0.3, -0.001, 0.002, 0.3, 1, 2, 6] };

/** A GLSL function of one value. */
export function oneArgument(
  name: string,
  body: (t: GlslType) => readonly string[],
  needs?: readonly GlslFunction[],
): GlslFunction {
  return {
    name,
    source: (t) =>
      `${t.value} ${name}(${t.value} x) {\n${body(t)
        .map((line) => `  ${line}\n`)
        .join("")}}`,
    ...(needs === undefined ? {} : { needs }),
  };
}

/** 2 atanh(s) with s = x / (2 + x), the odd series to s^13: 2e-8 relative for x in [-0.25, 1]. */
export const log1pOf = oneArgument("log1pOf", (t) => [
  `${t.value} s = x / (2.0 + x);`,
  `${t.value} z = s * s;`,
  "return 2.0 * s * (1.0 + z * (0.33333333 + z * (0.2 + z * (0.14285714 + z * (0.11111111 + z * (0.09090909 + z * 0.07692308))))));",
]);

/** The builtin errs by an absolute 1e-7 or so, which is much near 1, where the series takes over. */
export const logOf = oneArgument(
  "logOf",
  (t) => [
    `${t.value} u = x - 1.0;`,
    `return ${choose(t, compare(t, "abs(u)", "<", constant(t, "0.25")), "log1pOf(u)", "log(x)")};`,
  ],
  [log1pOf],
);

/** Small: Cephes tanhf's polynomial. Else by exp(-2|x|), which never overflows. */
const tanhOf = oneArgument("tanhOf", (t) => [
  `${t.value} z = x * x;`,
  `${t.value} small = x + x * z * (-0.33333282 + z * (0.13331442 + z * (-0.053739715 + z * (0.020639088 - z * 0.0057049887))));`,
  `${t.value} e = exp(-2.0 * abs(x));`,
  `return ${choose(t, compare(t, "z", "<", constant(t, "0.390625")), "small", "sign(x) * (1.0 - e) / (1.0 + e)")};`,
]);

const sigmoidOf = oneArgument("sigmoid", (t) => [
  `${t.value} e = exp(-abs(x));`,
  `return (${choose(t, compare(t, "x", "<", constant(t, "0.0")), "e", constant(t, "1.0"))}) / (1.0 + e);`,
]);

const softplusOf = oneArgument("softplus", () => ["return max(x, 0.0) + log1pOf(exp(-abs(x)));"], [log1pOf]);

/**
 * sin(x + turns * pi / 2). x is reduced by pi / 2 in three parts whose products with whole numbers are exact (Cody and
 * Waite), good to |x| = 1e5; then Cephes sinf's polynomials on [-pi/4, pi/4].
 */
export const sinTurned: GlslFunction = {
  name: "sinTurned",
  source: (t) => `${t.value} sinTurned(${t.value} x, float turns) {
  ${t.value} k = floor(x * 0.63661977 + 0.5);
  ${t.value} r = ((x - k * 1.5703125) - k * 4.8375129e-4) - k * 7.5497899e-8;
  ${t.value} z = r * r;
  ${t.value} s = r + r * z * (-0.16666655 + z * (8.3321609e-3 - z * 1.9515296e-4));
  ${t.value} c = 1.0 - 0.5 * z + z * z * (0.041666646 + z * (-1.3887316e-3 + z * 2.4433157e-5));
  ${t.value} q = mod(k + turns, 4.0);
  ${t.value} y = ${choose(t, compare(t, "mod(q, 2.0)", "<", constant(t, "0.5")), "s", "c")};
  return ${choose(t, compare(t, "q", "<", constant(t, "1.5")), "y", "-y")};
}`,
};

/** The builtin is undefined for a < 0 and for 0 to the 0; signs, x^0 = 1 and 1^x = 1 are those of C. */
const powOf: GlslFunction = {
  name: "powOf",
  needs: [logOf],
  source: (t) => `${t.value} powOf(${t.value} a, ${t.value} b) {
  ${t.value} p = exp(b * logOf(abs(a)));
  ${t.value} odd = ${choose(t, compare(t, "mod(b, 2.0)", "==", constant(t, "1.0")), "-p", "p")};
  ${t.value} below = ${choose(t, compare(t, "floor(b)", "==", "b"), "odd", constant(t, glslNaN))};
  ${t.value} y = ${choose(t, compare(t, "a", "<", constant(t, "0.0")), "below", "p")};
  ${t.value} whole = ${choose(t, compare(t, "b", "==", constant(t, "0.0")), constant(t, "1.0"), "y")};
  return ${choose(t, compare(t, "a", "==", constant(t, "1.0")), constant(t, "1.0"), "whole")};
}`,
};

export const exp: UnaryOp = unary({
  name: "exp",
  doc: "e^x.",
  dtype: float("exp"),
  evaluate: ([x]) => Math.exp(x!),
  glsl: ([x]) => `exp(${x})`,
  js: ([x]) => `Math.exp(${x})`,
  vjp: (g, y) => [mul(g, y)],
  samples: [{ from: -4, to: 4 }],
});

export const log: UnaryOp = unary({
  name: "log",
  doc: "Natural logarithm; -inf at 0, NaN below.",
  dtype: float("log"),
  evaluate: ([x]) => Math.log(x!),
  glsl: ([x]) => `logOf(${x})`,
  needs: [logOf],
  js: ([x]) => `Math.log(${x})`,
  vjp: (g, _, [x]) => [div(g, x!)],
  samples: [{ values: [0.01, 0.5, 0.74, 0.76, 0.99, 1.001, 1.24, 1.26, 3, 1000] }],
});

export const sqrt: UnaryOp = unary({
  name: "sqrt",
  doc: "Square root; NaN below 0.",
  dtype: float("sqrt"),
  evaluate: ([x]) => Math.sqrt(x!),
  glsl: ([x]) => `sqrt(${x})`,
  js: ([x]) => `Math.sqrt(${x})`,
  vjp: (g, y) => [div(g, mul(y, 2))],
  samples: [positive],
});

export const rsqrt: UnaryOp = unary({
  name: "rsqrt",
  doc: "1 / sqrt(x).",
  dtype: float("rsqrt"),
  evaluate: ([x]) => 1 / Math.sqrt(x!),
  glsl: ([x]) => `inversesqrt(${x})`,
  js: ([x]) => `1 / Math.sqrt(${x})`,
  vjp: (g, y) => [mul(mul(g, -0.5), mul(y, mul(y, y)))],
  samples: [positive],
});

export const sin: UnaryOp = unary({
  name: "sin",
  doc: "Sine, x in radians; exact to 1e-6 for |x| up to 1e5.",
  dtype: float("sin"),
  evaluate: ([x]) => Math.sin(x!),
  glsl: ([x]) => `sinTurned(${x}, 0.0)`,
  needs: [sinTurned],
  js: ([x]) => `Math.sin(${x})`,
  vjp: (g, _, [x]) => [mul(g, cos(x!))],
  samples: [{ values: [-400, -6, -2, -0.3, 0.002, 0.3, 1, 2, 6, 5000] }],
  inexact: ([x]) => Math.abs(x!) > 1e5,
});

export const cos: UnaryOp = unary({
  name: "cos",
  doc: "Cosine, x in radians; exact to 1e-6 for |x| up to 1e5.",
  dtype: float("cos"),
  evaluate: ([x]) => Math.cos(x!),
  glsl: ([x]) => `sinTurned(${x}, 1.0)`,
  needs: [sinTurned],
  js: ([x]) => `Math.cos(${x})`,
  vjp: (g, _, [x]) => [neg(mul(g, sin(x!)))],
  samples: [{ values: [-400, -6, -2, -0.3, 0.002, 0.3, 1, 2, 6, 5000] }],
  inexact: ([x]) => Math.abs(x!) > 1e5,
});

export const tanh: UnaryOp = unary({
  name: "tanh",
  doc: "Hyperbolic tangent.",
  dtype: float("tanh"),
  evaluate: ([x]) => Math.tanh(x!),
  glsl: ([x]) => `tanhOf(${x})`,
  needs: [tanhOf],
  js: ([x]) => `Math.tanh(${x})`,
  vjp: (g, y) => [mul(g, sub(1, mul(y, y)))],
  samples: [signedSpan],
});

export const sigmoid: UnaryOp = unary({
  name: "sigmoid",
  doc: "1 / (1 + exp(-x)).",
  dtype: float("sigmoid"),
  evaluate: ([x]) => 1 / (1 + Math.exp(-x!)),
  glsl: ([x]) => `sigmoid(${x})`,
  needs: [sigmoidOf],
  js: ([x]) => `1 / (1 + Math.exp(-${x}))`,
  vjp: (g, y) => [mul(g, mul(y, sub(1, y)))],
  samples: [signedSpan],
});

const softplusNumber = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

export const softplus: UnaryOp = unary({
  name: "softplus",
  doc: "log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)).",
  dtype: float("softplus"),
  evaluate: ([x]) => softplusNumber(x!),
  glsl: ([x]) => `softplus(${x})`,
  needs: [softplusOf],
  js: ([x]) => `softplus(${x})`,
  helpers: [{ name: "softplus", source: "(x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))" }],
  vjp: (g, _, [x]) => [mul(g, sigmoid(x!))],
  samples: [signedSpan],
});

export const pow: BinaryOp = binary({
  name: "pow",
  doc: "a^b with the signs of C: a < 0 takes whole b only, NaN otherwise (-inf on GL, too); x^0 = 1^x = 1. At a = 0 the gradient of b >= 0 is 0, as torch.",
  dtype: float("pow"),
  // JavaScript gives NaN for 1 to the NaN or infinity.
  evaluate: ([a, b]) => (a === 1 ? 1 : a! ** b!),
  glsl: ([a, b]) => `powOf(${a}, ${b})`,
  needs: [powOf],
  js: ([a, b]) => `(${a} === 1 ? 1 : Math.pow(${a}, ${b}))`,
  vjp(g, y, [a, b]) {
    // Where the formulas read 0 * inf, an operand is replaced before it can: a branch not taken by `where` would still
    // make NaN in the second derivative.
    const atZero = eq(a!, 0);
    const flat = and(atZero, eq(b!, 0));
    const logA = log(where(and(atZero, ge(b!, 0)), 1, a!));
    return [mul(g, mul(b!, pow(a!, add(where(flat, 1, b!), -1)))), mul(g, mul(y, logA))];
  },
  samples: [
    { from: 0.2, to: 3 },
    { from: -3, to: 3 },
  ],
  inexact: ([a, b]) => a === -Infinity && !Number.isInteger(b),
  neutral: { right: 1 },
});
