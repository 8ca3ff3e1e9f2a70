/** What layers with weights share: their options and PyTorch's initial distribution. */
import { Parameter, type Generator } from "../trace/index.ts";
import { uniformValues } from "./init.ts";

export interface LayerOptions {
  /** Whether there is one. Default true. */
  readonly bias?: boolean;
  /** What the initial weights are drawn from. Default: the library's, which manualSeed sets. */
  readonly generator?: Generator;
}

/**
 * PyTorch's initial weights and biases: U(-b, b) with b = 1 / sqrt(fanIn), which is kaimingUniform with a = sqrt(5).
 * fanIn: how many inputs one output is a sum of.
 */
export function initialParameter(shape: readonly number[], fanIn: number, generator: Generator | undefined): Parameter {
  const bound = fanIn === 0 ? 0 : 1 / Math.sqrt(fanIn);
  return new Parameter(uniformValues(shape, -bound, bound, generator));
}
