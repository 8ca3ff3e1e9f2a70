/** Activations that are not ops of their own. */
import type { Node } from "../node.ts";
import { add, mul } from "../ops/arithmetic.ts";
import { tanh } from "../ops/transcendental.ts";

/** x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), the tanh form of Hendrycks and Gimpel (2016). */
export function gelu(x: Node): Node {
  const cubic = add(x, mul(mul(mul(x, x), x), 0.044715));
  return mul(mul(x, 0.5), add(tanh(mul(cubic, Math.sqrt(2 / Math.PI))), 1));
}
