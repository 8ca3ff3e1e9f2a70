/**
 * Comparisons, logic, selection, casts and detach: maps that compute nothing or a mask.
 *
 * A mask is bool: 0.0 or 1.0 in GLSL, 0 or 1 in JavaScript. Comparisons with NaN are false, `ne` true, as IEEE 754.
 */
import type { DType } from "../dtype.ts";
import { checkDtype, dtypes } from "../dtype.ts";
import { DtypeError } from "../errors.ts";
import { map, type Attrs, type GlslFunction, type GlslType, type MapDefinition, type Node } from "../node.ts";
import {
  anyDtype,
  apply,
  asNode,
  binary,
  choose,
  compare,
  constant,
  mask,
  oneOf,
  unary,
  type BinaryOp,
  type Comparison,
  type Operand,
  type UnaryOp,
} from "./define.ts";

const few = { values: [-2, -1, 0, 1, 2] };

function comparison(
  name: string,
  doc: string,
  is: Comparison,
  evaluate: (a: number, b: number) => boolean,
  commutative: boolean,
): BinaryOp {
  const helper: GlslFunction = {
    name,
    source: (t) => `${t.mask} ${name}(${t.value} a, ${t.value} b) { return ${t.mask}(${compare(t, "a", is, "b")}); }`,
  };
  const js = is === "==" ? "===" : is === "!=" ? "!==" : is;
  return binary({
    name,
    doc,
    dtype: mask(name, anyDtype),
    evaluate: ([a, b]) => (evaluate(a!, b!) ? 1 : 0),
    glsl: ([a, b]) => `${name}(${a}, ${b})`,
    needs: [helper],
    js: ([a, b]) => `(${a} ${js} ${b} ? 1 : 0)`,
    vjp: null,
    samples: [few, few],
    probes: anyDtype.map((t) => [t, t]),
    trivial: true,
    commutative,
  });
}

export const eq: BinaryOp = comparison("eq", "a = b.", "==", (a, b) => a === b, true);
export const ne: BinaryOp = comparison("ne", "a is not b; true where either is NaN.", "!=", (a, b) => a !== b, true);
export const lt: BinaryOp = comparison("lt", "a < b.", "<", (a, b) => a < b, false);
export const le: BinaryOp = comparison("le", "a <= b.", "<=", (a, b) => a <= b, false);
export const gt: BinaryOp = comparison("gt", "a > b.", ">", (a, b) => a > b, false);
export const ge: BinaryOp = comparison("ge", "a >= b.", ">=", (a, b) => a >= b, false);

const bit = { values: [0, 1] };

export const and: BinaryOp = binary({
  name: "and",
  doc: "Both, on bool.",
  dtype: mask("and", ["bool"]),
  evaluate: ([a, b]) => (a !== 0 && b !== 0 ? 1 : 0),
  glsl: ([a, b]) => `${a} * ${b}`,
  js: ([a, b]) => `${a} & ${b}`,
  vjp: null,
  samples: [bit, bit],
  probes: [["bool", "bool"]],
  trivial: true,
  commutative: true,
});

export const or: BinaryOp = binary({
  name: "or",
  doc: "Either or both, on bool.",
  dtype: mask("or", ["bool"]),
  evaluate: ([a, b]) => (a !== 0 || b !== 0 ? 1 : 0),
  glsl: ([a, b]) => `max(${a}, ${b})`,
  js: ([a, b]) => `${a} | ${b}`,
  vjp: null,
  samples: [bit, bit],
  probes: [["bool", "bool"]],
  trivial: true,
  commutative: true,
});

export const not: UnaryOp = unary({
  name: "not",
  doc: "True where x is false, on bool.",
  dtype: mask("not", ["bool"]),
  evaluate: ([x]) => (x === 0 ? 1 : 0),
  glsl: ([x]) => `1.0 - ${x}`,
  js: ([x]) => `1 - ${x}`,
  vjp: null,
  samples: [bit],
  probes: [["bool"]],
  trivial: true,
});

/** mix() takes a bvec only for floats, so integers select lane by lane. */
const select: GlslFunction = {
  name: "select",
  source(t) {
    const head = `${t.value} select(${t.mask} c, ${t.value} a, ${t.value} b)`;
    if (t.lanes === 1) return `${head} { return c != 0.0 ? a : b; }`;
    if (t.element === "float") return `${head} { return mix(b, a, bvec4(c)); }`;
    const lanes = ["x", "y", "z", "w"].map((l) => `c.${l} != 0.0 ? a.${l} : b.${l}`);
    return `${head} {\n  return ${t.value}(${lanes.join(", ")});\n}`;
  },
};

const whereDefinition: MapDefinition = {
  kind: "map",
  arity: 3,
  name: "where",
  doc: "a where the condition holds, b elsewhere: a selection, so a NaN of the branch not taken is not seen.",
  dtype([c, a, b]) {
    if (c !== "bool") throw new DtypeError(`where: the condition is ${c}, must be bool; compare it, as in x.ne(0)`);
    return oneOf("where", [a!, b!], anyDtype);
  },
  evaluate: ([c, a, b]) => (c !== 0 ? a! : b!),
  glsl: ([c, a, b]) => `select(${c}, ${a}, ${b})`,
  needs: [select],
  js: ([c, a, b]) => `(${c} !== 0 ? ${a} : ${b})`,
  vjp: (g, _, [c]) => [null, where(c!, g, 0), where(c!, 0, g)],
  samples: [bit, { from: -2, to: 2 }, { from: -2, to: 2 }],
  probes: anyDtype.map((t) => ["bool", t, t]),
};

/** c: bool, a and b of one dtype; all three broadcast. A number is a literal of the other branch's dtype. */
export const where: ((c: Node, a: Operand, b: Operand) => Node) & { readonly definition: MapDefinition } =
  Object.assign(
    (c: Node, a: Operand, b: Operand) => {
      const dtype = typeof a !== "number" ? a.dtype : typeof b !== "number" ? b.dtype : "f32";
      return apply(whereDefinition, [c, asNode(a, dtype), asNode(b, dtype)]);
    },
    { definition: whereDefinition },
  );

const to = (attrs: Attrs): DType => attrs["to"] as DType;

/**
 * The floats nearest to the ends of the integer ranges from inside. A float beyond them would be undefined in GLSL;
 * here it gives the end.
 */
const range = { i32: [-2147483648, 2147483520], u32: [0, 4294967040] } as const;

const glslNames = {
  f32: { 1: "float", 4: "vec4" },
  i32: { 1: "int", 4: "ivec4" },
  u32: { 1: "uint", 4: "uvec4" },
} as const;

function castGlsl(x: string, t: GlslType, target: DType): string {
  if (target === "bool")
    return `${t.mask}(${compare(t, x, "!=", constant(t, t.element === "float" ? "0.0" : t.element === "int" ? "0" : "0u"))})`;
  const name = glslNames[target][t.lanes];
  if (name === t.value) return x;
  if (target === "f32" || t.element !== "float") return `${name}(${x})`;
  const [low, high] = range[target];
  return `${name}(${choose(t, compare(t, x, "==", x), `clamp(${x}, ${low.toFixed(1)}, ${high.toFixed(1)})`, constant(t, "0.0"))})`;
}

const castDefinition: MapDefinition = {
  kind: "map",
  arity: 1,
  name: "cast",
  doc: "x as another dtype: to an integer by truncation (NaN gives 0, floats beyond the range its nearest end, i32 and u32 keep their bits), to bool by x != 0.",
  dtype: (_, attrs) => to(attrs),
  evaluate([x], attrs, [from]) {
    const target = to(attrs);
    if (target === "bool") return x !== 0 ? 1 : 0;
    if (target === "f32" || from !== "f32") return x!;
    if (Number.isNaN(x)) return 0;
    return Math.min(Math.max(Math.trunc(x!), range[target][0]), range[target][1]);
  },
  glsl: ([x], t, attrs) => castGlsl(x!, t, to(attrs)),
  js([x], [from], attrs) {
    const target = to(attrs);
    if (target === "bool") return `(${x} !== 0 ? 1 : 0)`;
    if (target === "f32" || from !== "f32") return x!;
    // The rounding that follows (| 0, >>> 0) makes NaN 0.
    return `Math.min(Math.max(Math.trunc(${x}), ${range[target][0]}), ${range[target][1]})`;
  },
  vjp: (g, _, [x], attrs) => [x!.dtype === "f32" && to(attrs) === "f32" ? g : null],
  samples: [{ values: [-3, -1.5, 0, 0.5, 1, 2, 300] }],
  probes: anyDtype.map((t) => [t]),
  probeAttrs: dtypes.map((t) => ({ to: t })),
  passes: (t, attrs) => t === to(attrs),
  trivial: true,
};

/** x as `dtype`; a cast to its own dtype is x. */
export const cast: ((x: Node, dtype: DType) => Node) & { readonly definition: MapDefinition } = Object.assign(
  (x: Node, dtype: DType) => {
    checkDtype("cast", dtype, dtypes);
    return x.dtype === dtype ? x : map(castDefinition, [x], { to: dtype });
  },
  { definition: castDefinition },
);

export const detach: UnaryOp = unary({
  name: "detach",
  doc: "x, without a gradient. Dropped once gradients are made.",
  dtype: ([t]) => t!,
  evaluate: ([x]) => x!,
  glsl: ([x]) => x!,
  js: ([x]) => x!,
  vjp: null,
  samples: [{ from: -2, to: 2 }],
  probes: anyDtype.map((t) => [t]),
  trivial: true,
  passes: () => true,
});
