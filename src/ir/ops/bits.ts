/**
 * Maps on random bits: Philox4x32-10 as a function of counters, and the way from bits to numbers.
 *
 * Everything here is exact on every device. Only 32-bit integer products exist in GLSL ES 3.00, so upper halves are
 * made of 16-bit limbs, as in philox.ts.
 */
import { type Attrs, type GlslFunction, type MapDefinition, type Node } from "../node.ts";
import { philox4x32 } from "../philox.ts";
import { apply, binary, oneOf, same, unary, type BinaryOp, type Operand, type UnaryOp } from "./define.ts";

const word32 = { values: [0, 1, 2, 0x12345678, 0x7fffffff, 0x80000000, 0xdeadbeef, 0xffffffff] };

const mulHighOf: GlslFunction = {
  name: "mulHigh",
  source: (t) => `${t.value} mulHigh(${t.value} a, ${t.value} b) {
  ${t.value} aHigh = a >> 16u;
  ${t.value} aLow = a & 0xffffu;
  ${t.value} bHigh = b >> 16u;
  ${t.value} bLow = b & 0xffffu;
  ${t.value} middle = aHigh * bLow + ((aLow * bLow) >> 16u);
  ${t.value} other = aLow * bHigh + (middle & 0xffffu);
  return aHigh * bHigh + (middle >> 16u) + (other >> 16u);
}`,
};

/** Upper halves in JavaScript, for the lowering; the same limbs, in doubles that hold every partial sum. */
const mulHighJs = {
  name: "mulHigh",
  source: `(a, b) => {
  const aHigh = a >>> 16, aLow = a & 0xffff, bHigh = b >>> 16, bLow = b & 0xffff;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const other = aLow * bHigh + (middle & 0xffff);
  return aHigh * bHigh + (middle >>> 16) + (other >>> 16);
}`,
};

export const mulHigh: BinaryOp = binary({
  name: "mulHigh",
  doc: "The upper 32 bits of the 64-bit product: with b = n and random a, a number in [0, n) without a remainder.",
  dtype: same("mulHigh", ["u32"]),
  evaluate: ([a, b]) => Number((BigInt(a!) * BigInt(b!)) >> 32n),
  glsl: ([a, b]) => `mulHigh(${a}, ${b})`,
  needs: [mulHighOf],
  js: ([a, b]) => `mulHigh(${a}, ${b})`,
  helpers: [mulHighJs],
  vjp: null,
  samples: [word32, word32],
  probes: [["u32", "u32"]],
  commutative: true,
});

const word = (attrs: Attrs): number => attrs["word"] as number;

const philoxOf: GlslFunction = {
  name: "philox",
  needs: [mulHighOf],
  source: (t) => `${t.value} philox(${t.value} index, ${t.value} stream, ${t.value} key0, ${t.value} key1, int word) {
  ${t.value} c0 = index;
  ${t.value} c1 = stream;
  ${t.value} c2 = ${t.value}(0u);
  ${t.value} c3 = ${t.value}(0u);
  for (int round = 0; round < 10; round++) {
    ${t.value} high0 = mulHigh(${t.value}(0xd2511f53u), c0);
    ${t.value} high1 = mulHigh(${t.value}(0xcd9e8d57u), c2);
    ${t.value} low0 = c0 * 0xd2511f53u;
    ${t.value} low1 = c2 * 0xcd9e8d57u;
    c0 = high1 ^ c1 ^ key0;
    c1 = low1;
    c2 = high0 ^ c3 ^ key1;
    c3 = low0;
    key0 = key0 + 0x9e3779b9u;
    key1 = key1 + 0xbb67ae85u;
  }
  if (word == 0) return c0;
  if (word == 1) return c1;
  if (word == 2) return c2;
  return c3;
}`,
};

const philoxJs = {
  name: "philox",
  source: `(index, stream, key0, key1, word) => {
  const high = (a, b) => {
    const aHigh = a >>> 16, aLow = a & 0xffff, bHigh = b >>> 16, bLow = b & 0xffff;
    const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
    const other = aLow * bHigh + (middle & 0xffff);
    return aHigh * bHigh + (middle >>> 16) + (other >>> 16);
  };
  let c0 = index, c1 = stream, c2 = 0, c3 = 0;
  for (let round = 0; round < 10; round++) {
    const high0 = high(0xd2511f53, c0), high1 = high(0xcd9e8d57, c2);
    const low0 = Math.imul(0xd2511f53, c0), low1 = Math.imul(0xcd9e8d57, c2);
    c0 = high1 ^ c1 ^ key0;
    c1 = low1;
    c2 = high0 ^ c3 ^ key1;
    c3 = low0;
    key0 = (key0 + 0x9e3779b9) >>> 0;
    key1 = (key1 + 0xbb67ae85) >>> 0;
  }
  return (word === 0 ? c0 : word === 1 ? c1 : word === 2 ? c2 : c3) >>> 0;
}`,
};

const philoxDefinition: MapDefinition = {
  kind: "map",
  arity: 4,
  name: "philox",
  doc: "Word `word` of Philox4x32-10 for the counter (index, stream, 0, 0) under the key (key0, key1): random bits that any use computes alike.",
  dtype: same("philox", ["u32"]),
  evaluate: ([index, stream, key0, key1], attrs) => philox4x32([index!, stream!, 0, 0], [key0!, key1!])[word(attrs)]!,
  glsl: (x, _, attrs) => `philox(${x.join(", ")}, ${word(attrs)})`,
  needs: [philoxOf],
  js: (x, _, attrs) => `philox(${x.join(", ")}, ${word(attrs)})`,
  helpers: [philoxJs],
  vjp: null,
  samples: [word32, word32, word32, word32],
  probes: [["u32", "u32", "u32", "u32"]],
  probeAttrs: [{ word: 0 }, { word: 1 }, { word: 2 }, { word: 3 }],
};

/** All operands u32; they broadcast. word: 0 to 3. */
export const philox: ((index: Node, stream: Operand, key0: Operand, key1: Operand, word: number) => Node) & {
  readonly definition: MapDefinition;
} = Object.assign(
  (index: Node, stream: Operand, key0: Operand, key1: Operand, word: number) =>
    apply(philoxDefinition, [index, stream, key0, key1], { word }),
  { definition: philoxDefinition },
);

export const bitsToUnit: UnaryOp = unary({
  name: "bitsToUnit",
  doc: "The upper 24 bits as a number in [0, 1): (bits >> 8) * 2^-24, exact.",
  dtype(operands) {
    oneOf("bitsToUnit", operands, ["u32"]);
    return "f32";
  },
  evaluate: ([x]) => (x! >>> 8) * 2 ** -24,
  glsl: ([x], t) => `${t.mask}(${x} >> 8u) * 5.9604644775390625e-8`,
  js: ([x]) => `(${x} >>> 8) * 5.9604644775390625e-8`,
  vjp: null,
  samples: [word32],
  probes: [["u32"]],
});
