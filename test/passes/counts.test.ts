/**
 * Draws of training steps, counted from the plan and derived by hand: counts come from laws, so they hold for programs
 * no source names. Batches of one class and other learning rates give no new program text. The bench's workloads are
 * counted in test/docs/counts.test.ts.
 */
import { describe, expect, test } from "vitest";
import { F, nn, optim, realize, tensor, type Tensor } from "texgrad";
import type { CompileRequest } from "../../src/ir/device.ts";
import { submitted } from "./capture.ts";
import { glsl, planFor, profile } from "./plans.ts";

const data = (...shape: number[]): Tensor =>
  tensor(
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i * 7 + 1)),
    { shape },
  );
const classes = (n: number): Tensor =>
  tensor(
    Array.from({ length: n }, (_, i) => (i * 7) % 10),
    { dtype: "i32" },
  );

const rules = {
  sgd: (p: Iterable<nn.Parameter>) => new optim.SGD(p, { lr: 0.1 }),
  adam: (p: Iterable<nn.Parameter>) => new optim.Adam(p, { lr: 0.1 }),
} as const;

/** The submit of one training step. */
function step(
  loss: () => Tensor,
  parameters: Iterable<nn.Parameter>,
  rule: keyof typeof rules = "sgd",
): CompileRequest {
  const optimizer = rules[rule](parameters);
  const requests = submitted(() => {
    const l = loss();
    optimizer.zeroGrad();
    l.backward();
    optimizer.step();
  });
  // First values of parameters and states are submits of their own.
  return requests.reduce((a, b) => (b.order.length > a.order.length ? b : a));
}

const draws = (request: CompileRequest): number => planFor(request).draws.length;

class Mlp extends nn.Module {
  fc1 = new nn.Linear(784, 128);
  fc2 = new nn.Linear(128, 10);
  forward(x: Tensor): Tensor {
    return this.fc2.forward(this.fc1.forward(x).relu());
  }
}

const mlpStep = (batch: number, rule: keyof typeof rules = "sgd"): CompileRequest => {
  const net = new Mlp();
  return step(() => F.crossEntropy(net.forward(data(batch, 784)), classes(batch)), net.parameters(), rule);
};

describe("MLP 784-128-10, crossEntropy, batch 64", () => {
  /**
   * 1  h = relu(x W1^T + b1): one contraction, bias and activation where its sum ends
   * 2  logits = h W2^T + b2
   * 3  of each row the largest logit, the sum of exponentials, its loss, and what its gradient is scaled by: two phases
   * 4  the gradient of the logits, stored since two contractions read it
   * 5  the hidden gradient, masked by relu where its sum ends
   * 6  W1's next value, where the sum of its gradient ends
   * 7  those of W2, b1 and b2, and the mean of the row losses: small results, parts of one texture
   */
  test("SGD: 7 draws", () => expect(draws(mlpStep(64))).toBe(7));

  /**
   * The same, but the two weights' gradients are stored: {p, m, v} would be three results, and their tiles of eight rows
   * would shrink. One draw more for each. The biases' tiles have one row, so their three results are an epilogue.
   */
  test("Adam: 9 draws", () => expect(draws(mlpStep(64, "adam"))).toBe(9));
});

describe("programs that no source names", () => {
  /**
   * 1 to 3  three contractions; tanh where the first two end, the difference from the target where the third does
   * 4  the gradient of the output, 2 d / n, stored since two contractions and a column sum read it
   * 5, 6  the two hidden gradients, with tanh' where they end
   * 7  three weights, three biases and the loss, which squares the difference as it sums: all small
   */
  test("a net of three layers with tanh and mseLoss, batch 37: 7 draws", () => {
    class Net extends nn.Module {
      a = new nn.Linear(20, 32);
      b = new nn.Linear(32, 24);
      c = new nn.Linear(24, 5);
      forward(x: Tensor): Tensor {
        return this.c.forward(this.b.forward(this.a.forward(x).tanh()).tanh());
      }
    }
    const net = new Net();
    expect(draws(step(() => F.mseLoss(net.forward(data(37, 20)), data(37, 5)), net.parameters()))).toBe(7);
  });

  /**
   * 1  x2 * s, stored: the contraction with W reads it, and so does the gradient of W
   * 2, 3  relu(x1 W^T) and tanh((x2 s) W^T)
   * 4  the larger of both, stored: the contraction with V reads it, and so does the gradient of V
   * 5  the difference from the target
   * 6  2 d / n, for two contractions
   * 7  its product with V: the gradient of the larger
   * 8  both branches' gradients, masked by who was larger, in one draw
   * 9  the loss, V, whose gradient is one contraction, and W, whose gradient is one sum over the products of both branches
   */
  test("two branches with a shared weight and a maximum: 9 draws", () => {
    const [w, v] = [new nn.Parameter(data(16, 12)), new nn.Parameter(data(6, 16))];
    const loss = (): Tensor => {
      const a = F.linear(data(24, 12), w).relu();
      const b = F.linear(data(24, 12).mul(data(24, 12)), w).tanh();
      return F.mseLoss(F.linear(a.maximum(b), v), data(24, 6));
    };
    expect(draws(step(loss, [w, v]))).toBe(9);
  });

  /** The two statistics of a row, in two phases; the quotient. */
  test("softmax: 2 draws", () => {
    const forward = submitted(() => data(12, 30).softmax(1).dataSync());
    expect(draws(forward.at(-1)!)).toBe(2);
  });

  /** The row sums of g p are a third phase beside the statistics; p and the gradient share the other draw. */
  test("softmax and its gradient: 2 draws", () => {
    const both = submitted(() => {
      const x = tensor(
        Array.from({ length: 360 }, (_, i) => Math.sin(i)),
        { shape: [12, 30], requiresGrad: true },
      );
      x.softmax(1).backward(data(12, 30));
      x.grad!.dataSync();
    });
    expect(draws(both.at(-1)!)).toBe(2);
  });
});

describe("programs of other batches and settings", () => {
  test.each(["sgd", "adam"] as const)("batch 64 -> 50 -> 37 -> 64 with %s gives no new text", (rule) => {
    const texts = (batch: number): string[] => glsl(planFor(mlpStep(batch, rule)));
    const known = new Set(texts(64));
    for (const batch of [50, 37, 64]) for (const text of texts(batch)) expect(known.has(text)).toBe(true);
  });

  test("each class of batch gives at most one new set", () => {
    const sets = [1, 2, 3, 4, 7, 8, 100].map((batch) => glsl(planFor(mlpStep(batch))).join("\n"));
    expect(sets[1]).toBe(sets[2]);
    expect(sets[3]).toBe(sets[4]);
    expect(sets[5]).toBe(sets[6]);
  });

  test("a hidden layer that is asked for is computed by the program that stored it anyway", () => {
    const net = new Mlp();
    const plans = [false, true].map((asked) => {
      const request = submitted(() => {
        const h = net.fc1.forward(data(64, 784)).relu();
        const loss = F.crossEntropy(net.fc2.forward(h), classes(64));
        if (asked) realize(loss, h);
        else realize(loss);
      }).at(-1)!;
      return planFor(request);
    });
    expect(plans[1]!.kernels.map((k) => k.reason)).not.toEqual(plans[0]!.kernels.map((k) => k.reason));
    expect(glsl(plans[1]!)).toEqual(glsl(plans[0]!));
  });

  test("the learning rate is a uniform: no number of the optimizer is in a text", () => {
    const net = new nn.Linear(6, 4);
    const text = (lr: number): string[] => {
      const optimizer = new optim.SGD(net.parameters(), { lr, momentum: lr / 2, weightDecay: lr / 4 });
      const requests = submitted(() => {
        const loss = F.mseLoss(net.forward(data(8, 6)), data(8, 4));
        optimizer.zeroGrad();
        loss.backward();
        optimizer.step();
      });
      return requests.flatMap((r) => glsl(planFor(r)));
    };
    expect(text(0.123)).toEqual(text(0.456));
    expect(text(0.123).join("\n")).not.toMatch(/0\.123|0\.0615|0\.03075/);
  });

  test("a context with fewer targets has its own tiles, and as many draws", () => {
    const request = mlpStep(64);
    for (const maxDrawBuffers of [1, 2, 4]) {
      const { kernels } = planFor(request, { ...profile, maxDrawBuffers });
      for (const k of kernels) expect(k.stores.length * k.layout.R).toBeLessThanOrEqual(maxDrawBuffers);
    }
  });
});
