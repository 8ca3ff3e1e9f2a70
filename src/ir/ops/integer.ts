/**
 * Bits of integers. Or, xor and not follow from `and` by sums that wrap (src/ir/compose/elementwise.ts). Free of side
 * effects, so that a bundle holds those it uses.
 */
import type { DType } from "../dtype.ts";
import type { GlslType } from "../node.ts";
import { binary, same, type BinaryOp } from "./define.ts";

const integers: readonly DType[] = ["i32", "u32"];
const words = { values: [0, 1, 2, 5, 0x7fffffff, 0x80000000, -1, -6, 65537] };
const places = { values: [0, 1, 5, 30, 31, 32, 71] };
const pairs = integers.map((t) => [t, t]);

export const bitAnd: BinaryOp = /* @__PURE__ */ binary({
  name: "bitAnd",
  doc: "Bits that are set in both.",
  dtype: /* @__PURE__ */ same("bitAnd", integers),
  evaluate: ([a, b]) => a! & b!,
  glsl: ([a, b]) => `${a} & ${b}`,
  js: ([a, b]) => `${a} & ${b}`,
  vjp: null,
  samples: [words, words],
  probes: pairs,
  commutative: true,
});

/** GLSL leaves shifts by 32 and more undefined; JavaScript takes them modulo 32. */
const places31 = (t: GlslType): string => (t.element === "uint" ? "31u" : "31");

export const shiftLeft: BinaryOp = /* @__PURE__ */ binary({
  name: "shiftLeft",
  doc: "a moved by b modulo 32 places towards the higher bits.",
  dtype: /* @__PURE__ */ same("shiftLeft", integers),
  evaluate: ([a, b]) => a! << b!,
  glsl: ([a, b], t) => `${a} << (${b} & ${places31(t)})`,
  js: ([a, b]) => `${a} << ${b}`,
  vjp: null,
  samples: [words, places],
  probes: pairs,
});

export const shiftRight: BinaryOp = /* @__PURE__ */ binary({
  name: "shiftRight",
  doc: "a moved by b modulo 32 places towards the lower bits; the sign stays.",
  dtype: /* @__PURE__ */ same("shiftRight", integers),
  evaluate: ([a, b], _, [t]) => (t === "u32" ? a! >>> b! : a! >> b!),
  glsl: ([a, b], t) => `${a} >> (${b} & ${places31(t)})`,
  js: ([a, b], [t]) => (t === "u32" ? `${a} >>> ${b}` : `${a} >> ${b}`),
  vjp: null,
  samples: [words, places],
  probes: pairs,
});
