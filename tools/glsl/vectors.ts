/**
 * Arithmetic of float vectors and matrices, by gl-matrix.
 *
 * + - * / and scale compute one operation in double and store it to f32, which is the correctly rounded f32 result.
 * `dot` and the matrix products round once, at the end, where a GPU rounds each product and sum: the two differ by at
 * most n roundings of the sum of magnitudes (n = 4 terms: 4 * 2^-24 * sum |a_i * b_i|).
 * Not used: lerp, which is a + t * (b - a) where GLSL says x * (1 - a) + y * a (they differ at infinities); min and max,
 * which treat NaN in JavaScript's way; round, whose halves go away from zero.
 */
import { mat4, vec2, vec3, vec4 } from "gl-matrix";

export type Combine = (out: Float32Array, x: Float32Array, y: Float32Array) => unknown;
export type Scale = (out: Float32Array, x: Float32Array, s: number) => unknown;

const operators: readonly Record<"+" | "-" | "*" | "/", Combine>[] = [
  { "+": vec2.add, "-": vec2.sub, "*": vec2.mul, "/": vec2.div },
  { "+": vec3.add, "-": vec3.sub, "*": vec3.mul, "/": vec3.div },
  { "+": vec4.add, "-": vec4.sub, "*": vec4.mul, "/": vec4.div },
];
const scales: readonly Scale[] = [vec2.scale, vec3.scale, vec4.scale];
const dots: readonly ((x: Float32Array, y: Float32Array) => number)[] = [vec2.dot, vec3.dot, vec4.dot];

/** For vectors of `size` (2 to 4) components. */
export const vectorOperator = (size: number, op: "+" | "-" | "*" | "/"): Combine => operators[size - 2]![op];
export const vectorScale = (size: number): Scale => scales[size - 2]!;

/** The inner product of 1 to 4 components, rounded once. */
export const dot = (x: Float32Array, y: Float32Array): number =>
  Math.fround(x.length === 1 ? x[0]! * y[0]! : dots[x.length - 2]!(x, y));

const transposed = new Float32Array(16);

export const transpose = (out: Float32Array, m: Float32Array): unknown => mat4.transpose(out, m);

/** Sums and products with a mat4: out = x op y. */
export const matrixOperators: Record<"add" | "subtract" | "product" | "timesVector" | "vectorTimes", Combine> = {
  add: mat4.add,
  subtract: mat4.subtract,
  product: mat4.multiply,
  timesVector: (out, m, v) => vec4.transformMat4(out, v, m),
  vectorTimes: (out, v, m) => vec4.transformMat4(out, v, mat4.transpose(transposed, m)),
};
export const matrixScale: Scale = mat4.multiplyScalar;
