/**
 * The logarithm of the gamma function, its derivatives, and the inverse of the error function. Free of side effects, so
 * that a bundle holds those it uses.
 *
 * Letters: g cotangent, y result, x operand; n the order of a polygamma function; z a shifted operand.
 */
import type { Attrs, GlslFunction, MapDefinition, Node } from "../node.ts";
import { map } from "../node.ts";
import { mul } from "./arithmetic.ts";
import { choose, compare, constant, float, glslNaN, unary, type UnaryOp } from "./define.ts";
import { exp, logOf, oneArgument, sinTurned } from "./transcendental.ts";

// Inverse error function.

/** Giles (2010) in single precision: about 4e-7 relative. */
const erfinvOf = /* @__PURE__ */ oneArgument(
  "erfinvOf",
  (t) => [
    `${t.value} w = -logOf((1.0 - x) * (1.0 + x));`,
    `${t.value} u = w - 2.5;`,
    `${t.value} p = 1.50140941 + u * (0.246640727 + u * (-0.00417768164 + u * (-0.00125372503 + u * (0.00021858087 + u * (-4.39150654e-6 + u * (-3.5233877e-6 + u * (3.43273939e-7 + u * 2.81022636e-8)))))));`,
    `${t.value} v = sqrt(max(w, 0.0)) - 3.0;`,
    `${t.value} q = 2.83297682 + v * (1.00167406 + v * (0.00943887047 + v * (-0.0076224613 + v * (0.00573950773 + v * (-0.00367342844 + v * (0.00134934322 + v * (0.000100950558 - v * 0.000200214257)))))));`,
    `${t.value} y = x * (${choose(t, compare(t, "w", "<", constant(t, "5.0")), "p", "q")});`,
    `${t.value} e = ${choose(t, compare(t, "abs(x)", "==", constant(t, "1.0")), "x * uintBitsToFloat(0x7f800000u)", "y")};`,
    `return ${choose(t, compare(t, "abs(x)", ">", constant(t, "1.0")), constant(t, glslNaN), "e")};`,
  ],
  [logOf],
);

/** Giles' start in double precision, then Newton on the complement, whose value is exact near 1. */
const erfinvSource = `(y) => {
  if (!(Math.abs(y) <= 1)) return NaN;
  if (Math.abs(y) === 1) return y * Infinity;
  if (y === 0) return y;
  const a = Math.abs(y);
  const series = (x) => {
    let t = x, s = x;
    for (let n = 1; n < 60; n++) s += t *= (2 * x * x) / (2 * n + 1);
    return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * s;
  };
  const tail = (x) => {
    let f = x;
    for (let n = 60; n > 0; n--) f = x + n / 2 / f;
    return Math.exp(-x * x) / (Math.sqrt(Math.PI) * f);
  };
  const l = Math.log1p(-a * a), b = 2 / (Math.PI * 0.147) + l / 2;
  let x = a < 1e-3 ? (a * Math.sqrt(Math.PI)) / 2 : Math.sqrt(Math.sqrt(b * b - l / 0.147) - b);
  for (let i = 0; i < 6; i++) {
    const slope = (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x);
    x += (x > 2.5 ? tail(x) - (1 - a) : a - series(x)) / slope;
  }
  return Math.sign(y) * x;
}`;

/** Winitzki's start (0.147), then Newton steps, to what a double holds. */
function erfinvNumber(y: number): number {
  const a = Math.abs(y);
  if (!(a <= 1)) return NaN;
  if (a === 1) return y * Infinity;
  if (a === 0) return y;
  const series = (x: number): number => {
    let term = x;
    let sum = x;
    for (let n = 1; n < 60; n++) sum += term *= (2 * x * x) / (2 * n + 1);
    return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
  };
  const tail = (x: number): number => {
    let below = x;
    for (let n = 60; n > 0; n--) below = x + n / 2 / below;
    return Math.exp(-x * x) / (Math.sqrt(Math.PI) * below);
  };
  const l = Math.log1p(-a * a);
  const b = 2 / (Math.PI * 0.147) + l / 2;
  let x = a < 1e-3 ? (a * Math.sqrt(Math.PI)) / 2 : Math.sqrt(Math.sqrt(b * b - l / 0.147) - b);
  for (let i = 0; i < 6; i++) {
    const slope = (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x);
    x += (x > 2.5 ? tail(x) - (1 - a) : a - series(x)) / slope;
  }
  return Math.sign(y) * x;
}

export const erfinv: UnaryOp = /* @__PURE__ */ unary({
  name: "erfinv",
  doc: "The number whose erf is x; infinite at -1 and 1, NaN beyond.",
  dtype: /* @__PURE__ */ float("erfinv"),
  evaluate: ([x]) => erfinvNumber(x!),
  glsl: ([x]) => `erfinvOf(${x})`,
  needs: [erfinvOf],
  js: ([x]) => `erfinvOf(${x})`,
  helpers: [{ name: "erfinvOf", source: erfinvSource }],
  vjp: (g, y) => [mul(g, mul(exp(mul(y, y)), Math.sqrt(Math.PI) / 2))],
  samples: [{ values: [-0.97, -0.9, -0.5, -0.1, -0.001, 0.002, 0.3, 0.7, 0.95] }],
});

// Gamma.

/** Lanczos with g = 7 and nine terms (Godfrey): 1e-15. */
const lanczos = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
];

/** Near 1 and 2, where the logarithm is 0, its series: sum (-1)^k (zeta(k) - 1) t^k / k at 2 + t, from k = 2 on. */
const zetaLess1 = [
  0.6449340668482264, 0.2020569031595943, 0.0823232337111382, 0.0369277551433699, 0.0173430619844491,
  0.0083492773819228, 0.0040773561979443, 0.0020083928260822, 0.0009945751278181, 0.0004941886041194, 0.000246086553308,
  0.0001227133475785, 0.0000612481350587, 0.000030588236307, 0.0000152822594087,
];

function lgammaNumber(x: number): number {
  if (x === Infinity || x === -Infinity) return Infinity;
  if (x < 0.5) {
    const sine = Math.abs(Math.sin(Math.PI * (x - Math.round(x))));
    return sine === 0 ? Infinity : Math.log(Math.PI / sine) - lgammaNumber(1 - x);
  }
  if (x < 1.5) return lgammaNumber(x + 1) - Math.log(x);
  if (x < 2.5) {
    const t = x - 2;
    let sum = (1 - 0.5772156649015329) * t;
    zetaLess1.forEach((z, i) => (sum += ((i % 2 === 0 ? 1 : -1) * z * t ** (i + 2)) / (i + 2)));
    return sum;
  }
  let sum = lanczos[0]!;
  for (let i = 1; i < 9; i++) sum += lanczos[i]! / (x - 1 + i);
  const t = x + 6.5;
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(t) - t + Math.log(sum);
}

const lgammaSource = `(x) => {
  const zeta = [${zetaLess1.join(", ")}];
  const upper = (x) => {
    if (x < 1.5) return upper(x + 1) - Math.log(x);
    if (x < 2.5) {
      const t = x - 2;
      let s = 0.42278433509846713 * t;
      for (let i = 0; i < zeta.length; i++) s += ((i % 2 === 0 ? 1 : -1) * zeta[i] * Math.pow(t, i + 2)) / (i + 2);
      return s;
    }
    let z = x, p = 1;
    while (z < 16) p *= z++;
    const r = 1 / (z * z);
    return (z - 0.5) * Math.log(z) - z + 0.9189385332046727 + (1 / 12 - r * (1 / 360 - r * (1 / 1260 - r * (1 / 1680 - r / 1188)))) / z - Math.log(p);
  };
  if (x === Infinity || x === -Infinity) return Infinity;
  if (x >= 0.5) return upper(x);
  const s = Math.abs(Math.sin(Math.PI * (x - Math.round(x))));
  return s === 0 ? Infinity : Math.log(Math.PI / s) - upper(1 - x);
}`;

/** z in [0.5, 8) by steps into [1.5, 2.5] and the series there; Stirling's from 8 on; below 0.5 by reflection. */
const lgammaOf = /* @__PURE__ */ oneArgument(
  "lgammaOf",
  (t) => {
    const one = constant(t, "1.0");
    return [
      `${t.value} a = ${choose(t, compare(t, "x", "<", constant(t, "0.5")), "1.0 - x", "x")};`,
      `${t.value} z = ${choose(t, compare(t, "a", "<", constant(t, "1.5")), "a + 1.0", "min(a, 8.0)")};`,
      `${t.value} p = ${choose(t, compare(t, "a", "<", constant(t, "1.5")), "1.0 / a", one)};`,
      "for (int i = 0; i < 6; i++) {",
      `  ${t.value} less = z - 1.0;`,
      `  p = ${choose(t, compare(t, "z", ">", constant(t, "2.5")), "p * less", "p")};`,
      `  z = ${choose(t, compare(t, "z", ">", constant(t, "2.5")), "less", "z")};`,
      "}",
      `${t.value} u = z - 2.0;`,
      `${t.value} tail = 2.8905103e-3 + u * (-1.1927539e-3 + u * (5.0966953e-4 + u * (-2.2315476e-4 + u * (9.9457513e-5 + u * (-4.4926237e-5 + u * 2.0507213e-5)))));`,
      `${t.value} near = u * (0.42278434 + u * (0.32246703 + u * (-0.067352301 + u * (0.020580808 + u * (-0.0073855510 + u * tail))))) + logOf(p);`,
      `${t.value} r = 1.0 / a;`,
      `${t.value} far = (a - 0.5) * (log(a) - 1.0) + 0.41893853 + r * (0.083333333 - r * r * (2.7777778e-3 - r * r * 7.9365079e-4));`,
      `${t.value} y = ${choose(t, compare(t, "a", "<", constant(t, "8.0")), "near", "far")};`,
      `${t.value} s = abs(sinTurned(3.1415927 * (x - floor(x + 0.5)), 0.0));`,
      `${t.value} mirrored = ${choose(t, compare(t, "s", "==", constant(t, "0.0")), constant(t, "uintBitsToFloat(0x7f800000u)"), "logOf(3.1415927 / s) - y")};`,
      `return ${choose(t, compare(t, "x", "<", constant(t, "0.5")), "mirrored", "y")};`,
    ];
  },
  [logOf, sinTurned],
);

export const lgamma: UnaryOp = /* @__PURE__ */ unary({
  name: "lgamma",
  doc: "log |gamma(x)|; infinite at 0 and the negative whole numbers.",
  dtype: /* @__PURE__ */ float("lgamma"),
  evaluate: ([x]) => lgammaNumber(x!),
  glsl: ([x]) => `lgammaOf(${x})`,
  needs: [lgammaOf],
  js: ([x]) => `lgammaOf(${x})`,
  helpers: [{ name: "lgammaOf", source: lgammaSource }],
  vjp: (g, _, [x]) => [mul(g, polygamma(0, x!))],
  samples: [{ values: [-2.6, -1.3, -0.7, 0.1, 0.6, 0.9, 1.3, 1.7, 2.7, 3.5, 7.9, 8.1, 20, 1000] }],
  inexact: ([x]) => x === -Infinity,
});

const order = (attrs: Attrs): number => attrs["n"] as number;

/** B2, B4, .. B20. */
const bernoulli = [
  1 / 6,
  -1 / 30,
  1 / 42,
  -1 / 30,
  5 / 66,
  -691 / 2730,
  7 / 6,
  -3617 / 510,
  43867 / 798,
  -174611 / 330,
];

const factorial = (n: number): number => (n <= 1 ? 1 : n * factorial(n - 1));

/** What multiplies z^-(2k + n) in the asymptotic series, k from 1: B2k (2k + n - 1)! / (2k)!. */
const coefficients = (n: number, count: number): number[] =>
  bernoulli.slice(0, count).map((b, i) => (b * factorial(2 * i + 1 + n)) / factorial(2 * i + 2));

/** psi^(n): z shifted up to 20 and the asymptotic series there (Abramowitz and Stegun 6.4.11), below 0 reflected. */
function polygammaNumber(n: number, x: number): number {
  if (x === -Infinity || Number.isNaN(x)) return NaN;
  if (x === Infinity) return n === 0 ? Infinity : 0;
  if (x <= 0 && Number.isInteger(x)) return n % 2 === 0 ? NaN : Infinity;
  if (x < 0 && n === 0) return polygammaNumber(0, 1 - x) - Math.PI / Math.tan(Math.PI * (x - Math.round(x)));
  if (x < 0 && n === 1) return (Math.PI / Math.sin(Math.PI * (x - Math.round(x)))) ** 2 - polygammaNumber(1, 1 - x);
  let z = x;
  let shifted = 0;
  for (; z < 20; z++) shifted += z ** -(n + 1);
  const series = coefficients(n, 10).reduce((sum, c, i) => sum + c * z ** -(2 * i + 2 + n), 0);
  if (n === 0) return Math.log(z) - 0.5 / z - series - shifted;
  const sign = n % 2 === 0 ? -1 : 1;
  return sign * (factorial(n) * shifted + factorial(n - 1) * z ** -n + (factorial(n) / 2) * z ** -(n + 1) + series);
}

const polygammaJs = {
  name: "polygammaOf",
  source: `(x, n) => {
  const f = (k) => { let p = 1; for (let i = 2; i <= k; i++) p *= i; return p; };
  const b = [1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6];
  const psi = (x) => {
    let z = x, s = 0;
    for (; z < 20; z++) s += Math.pow(z, -(n + 1));
    let a = 0;
    for (let i = 0; i < 7; i++) a += ((b[i] * f(2 * i + 1 + n)) / f(2 * i + 2)) * Math.pow(z, -(2 * i + 2 + n));
    if (n === 0) return Math.log(z) - 0.5 / z - a - s;
    return (n % 2 === 0 ? -1 : 1) * (f(n) * s + f(n - 1) * Math.pow(z, -n) + (f(n) / 2) * Math.pow(z, -(n + 1)) + a);
  };
  if (x === -Infinity || x !== x) return NaN;
  if (x === Infinity) return n === 0 ? Infinity : 0;
  if (x <= 0 && Number.isInteger(x)) return n % 2 === 0 ? NaN : Infinity;
  const turn = Math.PI * (x - Math.round(x));
  if (x < 0 && n === 0) return psi(1 - x) - Math.PI / Math.tan(turn);
  if (x < 0 && n === 1) return Math.pow(Math.PI / Math.sin(turn), 2) - psi(1 - x);
  return psi(x);
}`,
};

/** Eight steps up, then four terms of the series: 1e-7 for the first derivatives. c: its coefficients, signs included. */
const polygammaOf: GlslFunction = {
  name: "polygammaOf",
  needs: [logOf, sinTurned],
  source: (t) => {
    const below = compare(t, "x", "<", constant(t, "0.0"));
    return `${t.value} polygammaOf(${t.value} x, int n, float first, float middle, vec4 c, float whole, float sense) {
  ${t.value} a = ${choose(t, below, n01("1.0 - x", "x"), "x")};
  ${t.value} shifted = ${t.value}(0.0);
  for (int k = 0; k < 8; k++) {
    ${t.value} p = 1.0 / a;
    ${t.value} q = p;
    for (int j = 0; j < n; j++) {
      q = q * p;
    }
    shifted = shifted + q;
    a = a + 1.0;
  }
  ${t.value} r = 1.0 / a;
  ${t.value} power = ${t.value}(1.0);
  for (int j = 0; j < n; j++) {
    power = power * r;
  }
  ${t.value} series = power * r * r * (c.x + r * r * (c.y + r * r * (c.z + r * r * c.w)));
  ${t.value} turn = 3.1415927 * (x - floor(x + 0.5));
  ${t.value} s = sinTurned(turn, 0.0);
  if (n == 0) {
    ${t.value} y = logOf(a) - 0.5 * r - series - shifted;
    return ${choose(t, below, "y - 3.1415927 * sinTurned(turn, 1.0) / s", "y")};
  }
  ${t.value} y = sense * (whole * shifted + first * power + middle * power * r + series);
  if (n == 1) {
    ${t.value} m = 3.1415927 / s;
    return ${choose(t, below, "m * m - y", "y")};
  }
  return y;
}`;
  },
};

/** Of orders 0 and 1, what is below 0 is mirrored; of others it stays. */
function n01(mirrored: string, plain: string): string {
  return `(n < 2 ? ${mirrored} : ${plain})`;
}

const decimal = (v: number): string => {
  const text = String(Number(v.toPrecision(9)));
  return /[.e]/.test(text) ? text : `${text}.0`;
};

const polygammaDefinition: MapDefinition = {
  kind: "map",
  arity: 1,
  name: "polygamma",
  doc: "Derivative n of digamma, itself derivative of lgamma: n = 0 is digamma. Of n above 1 for x above 0 only.",
  dtype: /* @__PURE__ */ float("polygamma"),
  evaluate: ([x], attrs) => polygammaNumber(order(attrs), x!),
  glsl([x], _, attrs) {
    const n = order(attrs);
    const c = coefficients(n, 4).map(decimal);
    const first = n === 0 ? 0 : factorial(n - 1);
    return `polygammaOf(${x}, ${n}, ${decimal(first)}, ${decimal(factorial(n) / 2)}, vec4(${c.join(", ")}), ${decimal(factorial(n))}, ${n % 2 === 0 ? "-1.0" : "1.0"})`;
  },
  needs: [polygammaOf],
  js: ([x], _, attrs) => `polygammaOf(${x}, ${order(attrs)})`,
  helpers: [polygammaJs],
  vjp: (g, _, [x], attrs) => [mul(g, polygamma(order(attrs) + 1, x!))],
  samples: [{ values: [0.1, 0.4, 0.9, 1.2, 2.5, 5, 8.5, 30] }],
  probeAttrs: [{ n: 0 }, { n: 1 }, { n: 2 }],
  inexact: ([x]) => x! <= 0 || Math.abs(x!) < 1e-10 || x! > 1e15,
};

/** psi^(n)(x), n a whole number from 0 on. */
export const polygamma: ((n: number, x: Node) => Node) & { readonly definition: MapDefinition } =
  /* @__PURE__ */ Object.assign((n: number, x: Node) => map(polygammaDefinition, [x], { n }), {
    definition: polygammaDefinition,
  });
