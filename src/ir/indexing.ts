/**
 * The arithmetic a view's pull-back may use. One pull-back serves every reader: numbers for the evaluator, symbolic
 * indices for kernels, sets of axes for dependence.
 */
export interface IndexAlgebra<I, B> {
  readonly constant: (n: number) => I;
  readonly add: (a: I, b: I) => I;
  readonly scale: (a: I, k: number) => I;
  /** Floor of a / d, d > 0; a is not negative wherever the result is used. */
  readonly div: (a: I, d: number) => I;
  /** a - d * floor(a / d), d > 0; a is not negative wherever the result is used. */
  readonly mod: (a: I, d: number) => I;
  /** a >= 0. */
  readonly atLeastZero: (a: I) => B;
  /** a < n. */
  readonly below: (a: I, n: number) => B;
  /** d divides a (a may be negative only where another condition fails). */
  readonly divisible: (a: I, d: number) => B;
}

/** Plain integers and booleans. */
export const numbers: IndexAlgebra<number, boolean> = {
  constant: (n) => n,
  add: (a, b) => a + b,
  scale: (a, k) => a * k,
  div: (a, d) => Math.floor(a / d),
  mod: (a, d) => a - d * Math.floor(a / d),
  atLeastZero: (a) => a >= 0,
  below: (a, n) => a < n,
  divisible: (a, d) => a % d === 0,
};
