/**
 * Operators on one component, by base. Division and remainder by zero give 0 and a warning; so do, with the result of
 * common hardware, the other operations GLSL ES 3.00 leaves undefined.
 *
 * `&&`, `||`, `==` and `!=` are evaluate.ts's: they see more than a component.
 */
import type { Base } from "./types.ts";
import type { Warn } from "./values.ts";

export type Lane2 = (x: number, y: number, warn: Warn) => number;

export type LaneOp = "+" | "-" | "*" | "/" | "%" | "&" | "|" | "^" | "<<" | ">>" | "<" | "<=" | ">" | ">=";

const unlessZero =
  (what: string, of: Lane2): Lane2 =>
  (x, y, warn) => {
    if (y !== 0) return of(x, y, warn);
    warn(what);
    return 0;
  };

const shift =
  (of: (x: number, n: number) => number): Lane2 =>
  (x, n, warn) => {
    if (n < 0 || n > 31) warn("shift by less than 0 or more than 31");
    return of(x, n & 31);
  };

const unsigned =
  (of: Lane2): Lane2 =>
  (x, y, warn) =>
    of(x, y, warn) >>> 0;

const remainder: Lane2 = (x, y, warn) => {
  if (x < 0 || y < 0) warn("% with a negative operand");
  return (x % y) | 0;
};

const orders: Record<"<" | "<=" | ">" | ">=", Lane2> = {
  "<": (x, y) => (x < y ? 1 : 0),
  "<=": (x, y) => (x <= y ? 1 : 0),
  ">": (x, y) => (x > y ? 1 : 0),
  ">=": (x, y) => (x >= y ? 1 : 0),
};

const floatOps: Partial<Record<LaneOp, Lane2>> = {
  "+": (x, y) => Math.fround(x + y),
  "-": (x, y) => Math.fround(x - y),
  "*": (x, y) => Math.fround(x * y),
  "/": (x, y) => Math.fround(x / y),
  ...orders,
};

const intOps: Record<LaneOp, Lane2> = {
  "+": (x, y) => (x + y) | 0,
  "-": (x, y) => (x - y) | 0,
  "*": Math.imul,
  "/": unlessZero("integer division by zero", (x, y) => (x / y) | 0),
  "%": unlessZero("remainder by zero", remainder),
  "&": (x, y) => x & y,
  "|": (x, y) => x | y,
  "^": (x, y) => x ^ y,
  "<<": shift((x, n) => x << n),
  ">>": shift((x, n) => x >> n),
  ...orders,
};

const uintOps: Record<LaneOp, Lane2> = {
  "+": unsigned(intOps["+"]),
  "-": unsigned(intOps["-"]),
  "*": unsigned(intOps["*"]),
  "/": unlessZero("integer division by zero", (x, y) => Math.floor(x / y)),
  "%": unlessZero("remainder by zero", (x, y) => x % y),
  "&": unsigned(intOps["&"]),
  "|": unsigned(intOps["|"]),
  "^": unsigned(intOps["^"]),
  "<<": unsigned(intOps["<<"]),
  ">>": shift((x, n) => x >>> n),
  ...orders,
};

const byBase: Record<Base, Partial<Record<LaneOp, Lane2>>> = { float: floatOps, int: intOps, uint: uintOps, bool: {} };

/** The meaning of `op` on one component, undefined where types.ts refuses it. */
export const laneOperator = (base: Base, op: LaneOp): Lane2 | undefined => byBase[base][op];
