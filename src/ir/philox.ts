/**
 * Philox4x32-10: a counter-based random function. Four words of counter and two
 * of key give four words of random bits, with no state in between, so the same
 * (seed, counter) gives the same bits in JavaScript, in a shader and on replay.
 *
 * It does not turn bits into uniforms, normals or permutations, and it keeps no
 * position in a stream: whoever draws owns the counter.
 *
 * Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as
 * 1, 2, 3" (SC 2011); the known answers of its Random123 library are in the
 * tests. Products are made of 16-bit limbs, as in the GLSL form (ES 3.00 has no
 * umulExtended), so that the two can be read side by side.
 */

/** Four 32-bit words, each an integer in [0, 2^32). */
export type Words4 = [number, number, number, number];
/** Two 32-bit words, each an integer in [0, 2^32). */
export type Words2 = [number, number];

const ROUNDS = 10;
/** Multipliers of the two halves of the counter. */
const M0 = 0xd2511f53;
const M1 = 0xcd9e8d57;
/** Weyl increments of the key: the golden ratio and sqrt(3) - 1, in 32 bits. */
const W0 = 0x9e3779b9;
const W1 = 0xbb67ae85;

/**
 * The upper 32 bits of the 64-bit product a * b.
 * Every partial sum is below 2^32, so doubles hold it exactly.
 */
function mulHigh(a: number, b: number): number {
  const aHigh = a >>> 16;
  const aLow = a & 0xffff;
  const bHigh = b >>> 16;
  const bLow = b & 0xffff;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const other = aLow * bHigh + (middle & 0xffff);
  return aHigh * bHigh + (middle >>> 16) + (other >>> 16);
}

/**
 * Ten rounds of Philox4x32.
 *
 * counter: 4 words, key: 2 words -> 4 words of random bits. Numbers are read
 * modulo 2^32 (as `>>> 0` does); results are integers in [0, 2^32).
 * Distinct counters under one key never give the same four words.
 */
export function philox4x32(counter: Readonly<Words4>, key: Readonly<Words2>): Words4 {
  let c0 = counter[0] >>> 0;
  let c1 = counter[1] >>> 0;
  let c2 = counter[2] >>> 0;
  let c3 = counter[3] >>> 0;
  let k0 = key[0] >>> 0;
  let k1 = key[1] >>> 0;
  for (let round = 0; round < ROUNDS; round++) {
    const high0 = mulHigh(M0, c0);
    const low0 = Math.imul(M0, c0) >>> 0;
    const high1 = mulHigh(M1, c2);
    const low1 = Math.imul(M1, c2) >>> 0;
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0;
    k0 = (k0 + W0) >>> 0;
    k1 = (k1 + W1) >>> 0;
  }
  return [c0, c1, c2, c3];
}
