/**
 * Where devices may differ from the meaning of an op at an edge, and why. What an op itself gives up, its definition
 * says (`inexact`); everything else is held to the meaning.
 */

/** What a value of an edge test is: the operands, and what they give. */
export interface EdgeCase {
  readonly x: readonly number[];
  readonly want: number;
}

export interface Exception {
  /** Definitions it holds for; all where absent. */
  readonly ops?: readonly string[];
  readonly devices: readonly ("gl" | "cpu")[];
  readonly applies: (e: EdgeCase) => boolean;
  readonly why: string;
}

const isDenormal = (v: number): boolean => v !== 0 && Math.abs(v) < 2 ** -126;

export const exceptions: readonly Exception[] = [
  {
    devices: ["gl"],
    applies: ({ x, want }) => [...x, want].some(isDenormal),
    why: "GLSL ES 3.00, 4.5.1: denormals may be flushed to zero",
  },
  {
    ops: ["relu", "maximum", "minimum"],
    devices: ["gl"],
    applies: ({ x }) => x.some(Number.isNaN),
    why: "llvmpipe folds a selection by x == x or x < 0 into max and min, which lose a NaN; the op's doc says so",
  },
];
