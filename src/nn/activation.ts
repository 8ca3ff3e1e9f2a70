/** Activations as modules, for Sequential; each is the function of the same name in functional.ts. */
import { full, Parameter, type Generator, type Tensor } from "../trace/index.ts";
import { checkCount, checkInput } from "./check.ts";
import * as F from "./functional.ts";
import { Module } from "./module.ts";

export class ReLU extends Module {
  forward(x: Tensor): Tensor {
    return F.relu(x);
  }
}

export class Tanh extends Module {
  forward(x: Tensor): Tensor {
    return F.tanh(x);
  }
}

export class Sigmoid extends Module {
  forward(x: Tensor): Tensor {
    return F.sigmoid(x);
  }
}

export class ReLU6 extends Module {
  forward(x: Tensor): Tensor {
    return F.relu6(x);
  }
}

export class SELU extends Module {
  forward(x: Tensor): Tensor {
    return F.selu(x);
  }
}

export class SiLU extends Module {
  forward(x: Tensor): Tensor {
    return F.silu(x);
  }
}

export class Mish extends Module {
  forward(x: Tensor): Tensor {
    return F.mish(x);
  }
}

export class LogSigmoid extends Module {
  forward(x: Tensor): Tensor {
    return F.logSigmoid(x);
  }
}

export class Softsign extends Module {
  forward(x: Tensor): Tensor {
    return F.softsign(x);
  }
}

export class Hardsigmoid extends Module {
  forward(x: Tensor): Tensor {
    return F.hardsigmoid(x);
  }
}

export class Hardswish extends Module {
  forward(x: Tensor): Tensor {
    return F.hardswish(x);
  }
}

export class Tanhshrink extends Module {
  forward(x: Tensor): Tensor {
    return F.tanhshrink(x);
  }
}

export class Softplus extends Module {
  readonly beta: number;
  readonly threshold: number;

  constructor(beta = 1, threshold = 20) {
    super();
    this.beta = beta;
    this.threshold = threshold;
  }

  forward(x: Tensor): Tensor {
    return F.softplus(x, this.beta, this.threshold);
  }
  protected override describe(): string {
    return `beta=${this.beta}, threshold=${this.threshold}`;
  }
}

export class LeakyReLU extends Module {
  readonly negativeSlope: number;

  constructor(negativeSlope = 0.01) {
    super();
    this.negativeSlope = negativeSlope;
  }

  forward(x: Tensor): Tensor {
    return F.leakyRelu(x, this.negativeSlope);
  }
  protected override describe(): string {
    return `negativeSlope=${this.negativeSlope}`;
  }
}

export class ELU extends Module {
  readonly alpha: number;

  constructor(alpha = 1) {
    super();
    this.alpha = alpha;
  }

  forward(x: Tensor): Tensor {
    return F.elu(x, this.alpha);
  }
  protected override describe(): string {
    return `alpha=${this.alpha}`;
  }
}

export class CELU extends Module {
  readonly alpha: number;

  constructor(alpha = 1) {
    super();
    this.alpha = alpha;
  }

  forward(x: Tensor): Tensor {
    return F.celu(x, this.alpha);
  }
  protected override describe(): string {
    return `alpha=${this.alpha}`;
  }
}

export class Hardtanh extends Module {
  readonly minVal: number;
  readonly maxVal: number;

  constructor(minVal = -1, maxVal = 1) {
    super();
    this.minVal = minVal;
    this.maxVal = maxVal;
  }

  forward(x: Tensor): Tensor {
    return F.hardtanh(x, this.minVal, this.maxVal);
  }
  protected override describe(): string {
    return `minVal=${this.minVal}, maxVal=${this.maxVal}`;
  }
}

export class Softshrink extends Module {
  readonly lambda: number;

  constructor(lambda = 0.5) {
    super();
    this.lambda = lambda;
  }

  forward(x: Tensor): Tensor {
    return F.softshrink(x, this.lambda);
  }
  protected override describe(): string {
    return `lambda=${this.lambda}`;
  }
}

export class Hardshrink extends Module {
  readonly lambda: number;

  constructor(lambda = 0.5) {
    super();
    this.lambda = lambda;
  }

  forward(x: Tensor): Tensor {
    return F.hardshrink(x, this.lambda);
  }
  protected override describe(): string {
    return `lambda=${this.lambda}`;
  }
}

export class Threshold extends Module {
  readonly bound: number;
  readonly value: number;

  constructor(bound: number, value: number) {
    super();
    this.bound = bound;
    this.value = value;
  }

  forward(x: Tensor): Tensor {
    return F.threshold(x, this.bound, this.value);
  }
  protected override describe(): string {
    return `bound=${this.bound}, value=${this.value}`;
  }
}

export class GLU extends Module {
  readonly dim: number;

  constructor(dim = -1) {
    super();
    this.dim = dim;
  }

  forward(x: Tensor): Tensor {
    return F.glu(x, this.dim);
  }
  protected override describe(): string {
    return `dim=${this.dim}`;
  }
}

export class Softmin extends Module {
  readonly dim: number;

  constructor(dim: number) {
    super();
    this.dim = dim;
  }

  forward(x: Tensor): Tensor {
    return F.softmin(x, this.dim);
  }
  protected override describe(): string {
    return `dim=${this.dim}`;
  }
}

/** x above 0, weight x below: weight [numParameters], one a channel or one for all, is learned. He et al. (2015). */
export class PReLU extends Module {
  readonly weight: Parameter;

  /** `init`: what the weight begins with. */
  constructor(numParameters = 1, { init = 0.25 }: { readonly init?: number } = {}) {
    super();
    this.weight = new Parameter(full([checkCount("PReLU", "numParameters", numParameters, 1)], init));
  }

  forward(x: Tensor): Tensor {
    return F.prelu(x, this.weight);
  }
  protected override describe(): string {
    return `numParameters=${this.weight.numel}`;
  }
}

/** x above 0, a x below, a drawn for each element in training, the middle otherwise. Xu et al. (2015). */
export class RReLU extends Module {
  readonly lower: number;
  readonly upper: number;
  readonly #generator: Generator | undefined;

  constructor(lower = 1 / 8, upper = 1 / 3, { generator }: { readonly generator?: Generator } = {}) {
    super();
    this.lower = lower;
    this.upper = upper;
    this.#generator = generator;
  }

  forward(x: Tensor): Tensor {
    const generator = this.#generator === undefined ? {} : { generator: this.#generator };
    return F.rrelu(x, this.lower, this.upper, { training: this.training, ...generator });
  }
  protected override describe(): string {
    return `lower=${this.lower}, upper=${this.upper}`;
  }
}

/** x times the normal distribution's cumulative at x, exactly ("none") or by tanh. */
export class GELU extends Module {
  readonly approximate: "none" | "tanh";
  constructor({ approximate = "none" }: F.GeluOptions = {}) {
    super();
    this.approximate = approximate;
  }
  forward(x: Tensor): Tensor {
    return F.gelu(x, { approximate: this.approximate });
  }
  protected override describe(): string {
    return `approximate=${this.approximate}`;
  }
}

export class Softmax extends Module {
  readonly dim: number;
  constructor(dim: number) {
    super();
    this.dim = dim;
  }
  forward(x: Tensor): Tensor {
    return F.softmax(x, this.dim);
  }
  protected override describe(): string {
    return `dim=${this.dim}`;
  }
}

export class LogSoftmax extends Module {
  readonly dim: number;
  constructor(dim: number) {
    super();
    this.dim = dim;
  }
  forward(x: Tensor): Tensor {
    return F.logSoftmax(x, this.dim);
  }
  protected override describe(): string {
    return `dim=${this.dim}`;
  }
}

/** x: [n, c, h, w] or [c, h, w]: softmax over channels, at each place. */
export class Softmax2d extends Module {
  forward(x: Tensor): Tensor {
    checkInput(this, x, ["N", "C", "H", "W"], ["C", "H", "W"]);
    return F.softmax(x, -3);
  }
}
