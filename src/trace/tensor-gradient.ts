/** The part of Tensor that is about gradients. */
import { sameShape, show } from "../ir/shape.ts";
import { GradError } from "../ir/errors.ts";
import { expand } from "../ir/ops/broadcast.ts";
import { detach } from "../ir/ops/compare.ts";
import { literal } from "../ir/ops/leaf.ts";
import { backward, registerHook, retainGradient, type Hook } from "./backward.ts";
import { apply, assign, cloned, Handle, wrap, type Scalar } from "./handle.ts";
import { engine } from "./engine.ts";
import type { Tensor } from "./tensor.ts";
import { Value } from "./value.ts";

export abstract class GradientTensor extends Handle {
  /** The accumulated gradient, or null. Looking at it makes it a result of the next submit. */
  get grad(): Tensor | null {
    this.gradientSeen = this.gradientTensor !== null;
    return this.gradientTensor;
  }
  set grad(g: Tensor | null) {
    if (g !== null && (g.dtype !== this.dtype || !sameShape(g.shape, this.shape))) {
      throw new GradError(
        `grad: the tensor is ${this.dtype}${show(this.shape)}, the gradient ${g.dtype}${show(g.shape)}; they must be equal`,
      );
    }
    this.gradientTensor = g;
    this.gradientSeen = false;
  }

  /** Forgets the gradient; `setToNone: false` makes it zeros instead, so that optimizers go on decaying. */
  zeroGrad({ setToNone = true }: { readonly setToNone?: boolean } = {}): void {
    if (setToNone) this.grad = null;
    else if (this.gradientTensor !== null) this.grad = apply((g) => expand(literal(0), g.shape), [this.gradientTensor]);
  }

  /**
   * Adds the derivative of this tensor (one number, unless its own `gradient` is given) to the `grad` of every leaf it
   * was computed from. Traced, not run: it is submitted with the next step or read.
   */
  backward(gradient: Tensor | null = null, { createGraph = false }: { readonly createGraph?: boolean } = {}): void {
    backward(this, gradient, createGraph);
  }

  /** The same values without a gradient. Of a parameter: a handle on its current value. */
  detach(): Tensor {
    const { state } = this;
    if (!this.requiresGrad || !(state instanceof Value)) return wrap(state, false);
    if (engine.isHistory(state)) return wrap(new Value(state.constant, false));
    return apply(detach, [this]);
  }

  /** The values now, in storage of their own: never stale, whatever is assigned later. Gradients go on through it. */
  clone(): Tensor {
    return cloned(this);
  }

  /** Has this result, which is no leaf, keep its gradient at the next `backward`. */
  retainGrad(): void {
    retainGradient(this);
  }

  /** Calls `hook` with each gradient of this tensor; what it gives, if anything, takes the gradient's place. */
  registerHook(hook: Hook): () => void {
    return registerHook(this, hook);
  }

  /** Assigns a parameter or state the values of `source`, which broadcast. Pending until the next submit. */
  copy_(source: Tensor | Scalar): this {
    assign(this, source);
    return this;
  }
}
