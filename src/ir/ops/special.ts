/**
 * Functions of mathematics that no composition computes exactly: the error function and its complement, exp(x) - 1 and
 * log(1 + x), the inverse trigonometric ones; and whether a number is NaN.
 *
 * Compositions of these (asinh, atanh, log2, hypot, ..) stand in src/ir/compose. Definitions here are marked as free of
 * side effects, so that a bundle holds those it uses.
 * Letters: g cotangent, y result, x operand; of atan2, y / x is the tangent.
 */
import type { GlslFunction, GlslType } from "../node.ts";
import { add, div, mul, neg, sub } from "./arithmetic.ts";
import { binary, choose, compare, constant, float, mask, unary, type BinaryOp, type UnaryOp } from "./define.ts";
import { exp, log1pOf, oneArgument, rsqrt } from "./transcendental.ts";

/** Small: the series to x^8, 1e-8 relative for |x| < 0.5. */
const expm1Of = /* @__PURE__ */ oneArgument("expm1Of", (t) => [
  `${t.value} small = x + x * x * (0.5 + x * (0.16666667 + x * (0.041666668 + x * (8.3333333e-3 + x * (1.3888889e-3 + x * (1.9841270e-4 + x * 2.4801587e-5))))));`,
  `return ${choose(t, compare(t, "abs(x)", "<", constant(t, "0.5")), "small", "exp(x) - 1.0")};`,
]);

export const expm1: UnaryOp = /* @__PURE__ */ unary({
  name: "expm1",
  doc: "e^x - 1, exact near 0.",
  dtype: /* @__PURE__ */ float("expm1"),
  evaluate: ([x]) => Math.expm1(x!),
  glsl: ([x]) => `expm1Of(${x})`,
  needs: [expm1Of],
  js: ([x]) => `Math.expm1(${x})`,
  // Not y + 1, which is no power of e where y is -1.
  vjp: (g, _, [x]) => [mul(g, exp(x!))],
  samples: [{ values: [-20, -4, -0.6, -0.4, -0.01, 1e-6, 0.001, 0.3, 0.49, 0.51, 2, 4] }],
});

/** The series of log1pOf holds on [-0.25, 1]; elsewhere 1 + x loses nothing that shows. */
const log1pWhole = /* @__PURE__ */ oneArgument(
  "log1pWhole",
  (t) => [
    `return ${choose(t, compare(t, "abs(x - 0.375)", "<", constant(t, "0.625")), "log1pOf(x)", "log(1.0 + x)")};`,
  ],
  [log1pOf],
);

export const log1p: UnaryOp = /* @__PURE__ */ unary({
  name: "log1p",
  doc: "log(1 + x), exact near 0; -inf at -1, NaN below.",
  dtype: /* @__PURE__ */ float("log1p"),
  evaluate: ([x]) => Math.log1p(x!),
  glsl: ([x]) => `log1pWhole(${x})`,
  needs: [log1pWhole],
  js: ([x]) => `Math.log1p(${x})`,
  vjp: (g, _, [x]) => [div(g, add(x!, 1))],
  samples: [{ values: [-0.99, -0.5, -0.26, -0.24, -0.001, 1e-6, 0.01, 0.9, 1.1, 20, 1e4] }],
});

// The error function.

/**
 * 2/sqrt(pi) e^(-x^2) sum 2^n x^(2n+1) / (2n+1)!!, whose terms are all of one sign: Abramowitz and Stegun 7.1.6. Above
 * 2.5 the complement, by the continued fraction 7.1.14, evaluated from its 60th term.
 */
const erfSeries = (x: number): number => {
  let term = x;
  let sum = x;
  for (let n = 1; n < 60; n++) sum += term *= (2 * x * x) / (2 * n + 1);
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
};
const erfcFraction = (x: number): number => {
  if (x === Infinity) return 0;
  let below = x;
  for (let n = 60; n > 0; n--) below = x + n / 2 / below;
  return Math.exp(-x * x) / (Math.sqrt(Math.PI) * below);
};
const erfNumber = (x: number): number =>
  Math.abs(x) < 2.5 ? erfSeries(x) : x > 0 ? 1 - erfcFraction(x) : x < 0 ? erfcFraction(-x) - 1 : NaN;
const erfcNumber = (x: number): number =>
  Math.abs(x) < 2.5 ? 1 - erfSeries(x) : x > 0 ? erfcFraction(x) : x < 0 ? 2 - erfcFraction(-x) : NaN;

/** The same two expansions for the cpu device, which holds one helper a name. */
const erfcJs = {
  name: "erfcOf",
  source: `(x) => {
  const a = Math.abs(x);
  if (!(a < 2.5)) {
    if (!(a > 0)) return NaN;
    let f = a;
    if (a < 30) for (let n = 60; n > 0; n--) f = a + n / 2 / f;
    const tail = Math.exp(-a * a) / (Math.sqrt(Math.PI) * f);
    return x > 0 ? tail : 2 - tail;
  }
  let t = x, s = x;
  for (let n = 1; n < 60; n++) s += t *= (2 * x * x) / (2 * n + 1);
  return 1 - (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * s;
}`,
};
const erfJs = {
  name: "erfOf",
  source: `(x) => {
  if (!(Math.abs(x) < 2.5)) {
    const a = Math.abs(x);
    if (!(a > 0)) return NaN;
    let f = a;
    if (a < 30) for (let n = 60; n > 0; n--) f = a + n / 2 / f;
    return Math.sign(x) * (1 - Math.exp(-a * a) / (Math.sqrt(Math.PI) * f));
  }
  let t = x, s = x;
  for (let n = 1; n < 60; n++) s += t *= (2 * x * x) / (2 * n + 1);
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * s;
}`,
};

/** erfc for x >= 0, 1.2e-7 relative: the Chebyshev fit of Press et al., Numerical Recipes, 6.2. */
const erfcTail = /* @__PURE__ */ oneArgument("erfcTail", (t) => [
  `${t.value} t = 1.0 / (1.0 + 0.5 * x);`,
  `${t.value} p = t * (0.37409196 + t * (0.09678418 + t * (-0.18628806 + t * (0.27886807 + t * (-1.13520398 + t * (1.48851587 + t * (-0.82215223 + t * 0.17087277)))))));`,
  "return t * exp(-x * x - 1.26551223 + t * (1.00002368 + p));",
]);

/** Maclaurin's series to x^19, 1e-8 relative for |x| < 1. */
const erfSmall = /* @__PURE__ */ oneArgument("erfSmall", (t) => [
  `${t.value} z = x * x;`,
  `${t.value} s = 7.5757576e-4 - z * (1.0683761e-4 - z * (1.3227513e-5 - z * (1.4589169e-6 - z * 1.4503852e-7)));`,
  "return 1.1283792 * x * (1.0 - z * (0.33333333 - z * (0.1 - z * (0.023809524 - z * (4.6296296e-3 - z * s)))));",
]);

const erfOf = /* @__PURE__ */ oneArgument(
  "erfOf",
  (t) => [
    `return ${choose(t, compare(t, "abs(x)", "<", constant(t, "1.0")), "erfSmall(x)", "sign(x) * (1.0 - erfcTail(abs(x)))")};`,
  ],
  [erfSmall, erfcTail],
);

const erfcOf = /* @__PURE__ */ oneArgument(
  "erfcOf",
  (t) => [
    `${t.value} r = erfcTail(abs(x));`,
    `${t.value} y = ${choose(t, compare(t, "x", "<", constant(t, "0.0")), "2.0 - r", "r")};`,
    `return ${choose(t, compare(t, "abs(x)", "<", constant(t, "0.5")), "1.0 - erfSmall(x)", "y")};`,
  ],
  [erfSmall, erfcTail],
);

/** The derivative of erf, 2/sqrt(pi) e^(-x^2), times g. */
const bell = (g: Parameters<typeof mul>[0], x: Parameters<typeof mul>[0]): ReturnType<typeof mul> =>
  mul(g, mul(exp(neg(mul(x, x))), 2 / Math.sqrt(Math.PI)));

const errorSamples = { values: [-5, -2.6, -2.4, -1.1, -0.9, -0.45, -0.001, 0.003, 0.3, 0.55, 0.99, 1.01, 2, 3] };

export const erf: UnaryOp = /* @__PURE__ */ unary({
  name: "erf",
  doc: "The error function, 2/sqrt(pi) times the integral of exp(-t^2) from 0 to x.",
  dtype: /* @__PURE__ */ float("erf"),
  evaluate: ([x]) => erfNumber(x!),
  glsl: ([x]) => `erfOf(${x})`,
  needs: [erfOf],
  js: ([x]) => `erfOf(${x})`,
  helpers: [erfJs],
  vjp: (g, _, [x]) => [bell(g, x!)],
  samples: [errorSamples],
});

export const erfc: UnaryOp = /* @__PURE__ */ unary({
  name: "erfc",
  doc: "1 - erf(x), exact where erf is near 1.",
  dtype: /* @__PURE__ */ float("erfc"),
  evaluate: ([x]) => erfcNumber(x!),
  glsl: ([x]) => `erfcOf(${x})`,
  needs: [erfcOf],
  js: ([x]) => `erfcOf(${x})`,
  helpers: [erfcJs],
  vjp: (g, _, [x]) => [neg(bell(g, x!))],
  samples: [errorSamples],
});

// Inverse trigonometry. The builtins of drivers are off by 1e-4 and more.

/** Cephes asinf's polynomial, |x| <= 0.5. */
const asinSmall = /* @__PURE__ */ oneArgument("asinSmall", (t) => [
  `${t.value} z = x * x;`,
  "return x + x * z * (0.16666752 + z * (0.074953003 + z * (0.045470026 + z * (0.024181311 + z * 0.042163199))));",
]);

/** pi/2 - acos(x) for x in [0.5, 1] through the half angle: acos(x) = 2 asin(sqrt((1 - x) / 2)). */
const asinOf = /* @__PURE__ */ oneArgument(
  "asinOf",
  (t) => [
    `${t.value} a = abs(x);`,
    `${t.value} large = 1.5707963 - 2.0 * asinSmall(sqrt(0.5 * (1.0 - a)));`,
    `return ${choose(t, compare(t, "a", "<", constant(t, "0.5")), "asinSmall(x)", "sign(x) * large")};`,
  ],
  [asinSmall],
);

const acosOf = /* @__PURE__ */ oneArgument(
  "acosOf",
  (t) => [
    `${t.value} a = abs(x);`,
    `${t.value} h = 2.0 * asinSmall(sqrt(0.5 * (1.0 - a)));`,
    `${t.value} large = ${choose(t, compare(t, "x", "<", constant(t, "0.0")), "3.1415927 - h", "h")};`,
    `return ${choose(t, compare(t, "a", "<", constant(t, "0.5")), "1.5707963 - asinSmall(x)", "large")};`,
  ],
  [asinSmall],
);

const unitSpan = { values: [-0.99, -0.7, -0.51, -0.49, -0.2, -0.001, 0.002, 0.3, 0.5, 0.8, 0.97] };

export const asin: UnaryOp = /* @__PURE__ */ unary({
  name: "asin",
  doc: "The angle in [-pi/2, pi/2] whose sine is x; NaN outside [-1, 1].",
  dtype: /* @__PURE__ */ float("asin"),
  evaluate: ([x]) => Math.asin(x!),
  glsl: ([x]) => `asinOf(${x})`,
  needs: [asinOf],
  js: ([x]) => `Math.asin(${x})`,
  vjp: (g, _, [x]) => [mul(g, rsqrt(mul(sub(1, x!), add(x!, 1))))],
  samples: [unitSpan],
});

export const acos: UnaryOp = /* @__PURE__ */ unary({
  name: "acos",
  doc: "The angle in [0, pi] whose cosine is x; NaN outside [-1, 1].",
  dtype: /* @__PURE__ */ float("acos"),
  evaluate: ([x]) => Math.acos(x!),
  glsl: ([x]) => `acosOf(${x})`,
  needs: [acosOf],
  js: ([x]) => `Math.acos(${x})`,
  vjp: (g, _, [x]) => [neg(mul(g, rsqrt(mul(sub(1, x!), add(x!, 1)))))],
  samples: [unitSpan],
});

/** Whether the sign bit is set: -0 has a side, too. */
const signBit = (t: GlslType, x: string): string =>
  compare(t, `floatBitsToUint(${x})`, ">=", t.lanes === 1 ? "0x80000000u" : "uvec4(0x80000000u)");

/** Of the smaller over the larger by Cephes atanf, then turned to where the point is. */
const atan2Of: GlslFunction = {
  name: "atan2Of",
  source: (t) => `${t.value} atan2Of(${t.value} y, ${t.value} x) {
  ${t.value} a = min(abs(x), abs(y));
  ${t.value} b = max(abs(x), abs(y));
  ${t.value} q = ${choose(t, compare(t, "a", "==", "b"), constant(t, "1.0"), "a / b")};
  ${t.value} w = ${choose(t, compare(t, "b", "==", constant(t, "0.0")), constant(t, "0.0"), "q")};
  ${t.value} u = ${choose(t, compare(t, "w", ">", constant(t, "0.41421356")), "(w - 1.0) / (w + 1.0)", "w")};
  ${t.value} z = u * u;
  ${t.value} p = u + u * z * (-0.33332950 + z * (0.19977711 + z * (-0.13877686 + z * 0.080537445)));
  ${t.value} r = ${choose(t, compare(t, "w", ">", constant(t, "0.41421356")), "p + 0.78539816", "p")};
  ${t.value} s = ${choose(t, compare(t, "abs(y)", ">", "abs(x)"), "1.5707963 - r", "r")};
  ${t.value} v = ${choose(t, signBit(t, "x"), "3.1415927 - s", "s")};
  return ${choose(t, signBit(t, "y"), "-v", "v")};
}`,
};

const directions = { values: [-3, -1, -0.4, -0.02, 0.03, 0.5, 1.25, 40] };

export const atan2: BinaryOp = /* @__PURE__ */ binary({
  name: "atan2",
  doc: "The angle in [-pi, pi] of the point (x, y), y first, with the signs of C at zeros and infinities. A NaN may be lost on GL.",
  dtype: /* @__PURE__ */ float("atan2"),
  evaluate: ([y, x]) => Math.atan2(y!, x!),
  glsl: ([y, x]) => `atan2Of(${y}, ${x})`,
  needs: [atan2Of],
  js: ([y, x]) => `Math.atan2(${y}, ${x})`,
  vjp(g, _, [y, x]) {
    const scaled = div(g, add(mul(x!, x!), mul(y!, y!)));
    return [mul(scaled, x!), neg(mul(scaled, y!))];
  },
  samples: [directions, directions],
  inexact: (x) => x.some(Number.isNaN),
});

/** By the bits: compilers fold x != x. */
const isnanOf = /* @__PURE__ */ ((): GlslFunction => ({
  name: "isnanOf",
  source: (t) => {
    const u = t.lanes === 1 ? "uint" : "uvec4";
    return `${t.mask} isnanOf(${t.value} x) { return ${t.mask}(${compare(t, `(floatBitsToUint(x) & ${u}(0x7fffffffu))`, ">", `${u}(0x7f800000u)`)}); }`;
  },
}))();

export const isnan: UnaryOp = /* @__PURE__ */ unary({
  name: "isnan",
  doc: "Whether x is NaN, told by its bits.",
  dtype: /* @__PURE__ */ mask("isnan", ["f32"]),
  evaluate: ([x]) => (Number.isNaN(x) ? 1 : 0),
  glsl: ([x]) => `isnanOf(${x})`,
  needs: [isnanOf],
  js: ([x]) => `(${x} !== ${x} ? 1 : 0)`,
  vjp: null,
  samples: [{ values: [-1, 0, NaN, 2, Infinity] }],
  trivial: true,
});
