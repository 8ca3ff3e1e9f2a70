/** Two spellings of one function, held against each other: the programs of the result and of all its gradients. */
import { expect } from "vitest";
import { realize, tensor, type Tensor } from "texgrad";
import { programsOf } from "./capture.ts";

type Shape = readonly number[];

/** A tensor that requires a gradient, its values in (-1, 1). */
function operand(shape: Shape): Tensor {
  const numel = shape.reduce((a, b) => a * b, 1);
  const values = Array.from({ length: numel }, (_, i) => Math.sin(1 + 7 * i));
  return tensor(values, { shape: [...shape], requiresGrad: true });
}

/** The programs of f(x) and the gradients of all x, asked for at once. */
function programs(f: (...x: Tensor[]) => Tensor, shapes: readonly Shape[]): string[] {
  return programsOf(() => {
    const x = shapes.map(operand);
    const y = f(...x);
    y.backward(operand(y.shape).detach());
    realize(y, ...x.map((e) => e.grad!));
  });
}

/** Throws unless both become the same GLSL, byte for byte. */
export function same(
  shapes: readonly Shape[],
  library: (...x: Tensor[]) => Tensor,
  byHand: (...x: Tensor[]) => Tensor,
): void {
  const want = programs(library, shapes);
  expect(want.length).toBeGreaterThan(0);
  expect(programs(byHand, shapes)).toEqual(want);
}
