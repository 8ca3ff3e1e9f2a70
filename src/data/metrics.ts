/**
 * Metrics that add up over batches: each takes a batch's tensors and keeps a sum on the device, so nothing is read until
 * `value()` is asked for. Class indices are i32.
 */
import { ShapeError, TexgradError } from "../ir/errors.ts";
import { show } from "../ir/shape.ts";
import { noGrad, StateTensor, zeros, type Tensor } from "../trace/index.ts";

/** Rows of scores [n, classes] or class indices [n] of i32, and the true classes [n]. */
function guesses(op: string, scores: Tensor, target: Tensor): Tensor {
  const guess = scores.ndim === 2 ? scores.argmax(1) : scores;
  if (guess.ndim !== 1 || target.ndim !== 1 || guess.shape[0] !== target.shape[0]) {
    throw new ShapeError(
      `${op}: takes scores [n, classes] and targets [n], got ${show(scores.shape)} and ${show(target.shape)}`,
    );
  }
  return guess;
}

/** A sum in a cell; what is added is computed with the next submit. */
abstract class Summing {
  readonly #sum: StateTensor;
  protected count = 0;

  constructor(shape: readonly number[]) {
    this.#sum = new StateTensor(zeros(shape), { label: "metric" });
  }

  protected add(x: Tensor, count: number): void {
    noGrad(() => this.#sum.copy_(this.#sum.add(x.cast("f32"))));
    this.count += count;
  }

  protected async sums(): Promise<Float32Array> {
    return (await this.#sum.data()) as Float32Array;
  }

  /** Forgets all batches. */
  reset(): void {
    noGrad(() => this.#sum.copy_(0));
    this.count = 0;
  }
}

/** The mean of what is added, each batch by its number of elements: of losses, say. NaN of nothing. */
export class Mean extends Summing {
  constructor() {
    super([]);
  }

  /** x: a tensor of any shape, or one number that stands for `count`. */
  update(x: Tensor, count = x.numel): void {
    this.add(x.numel === 1 ? x.detach().reshape([]).mul(count) : x.detach().sum(), count);
  }

  async value(): Promise<number> {
    return (await this.sums())[0]! / this.count;
  }
}

/** The part of samples whose true class has one of the `topK` largest scores. */
export class Accuracy extends Summing {
  readonly topK: number;

  constructor({ topK = 1 }: { readonly topK?: number } = {}) {
    super([]);
    if (!Number.isInteger(topK) || topK < 1) throw new TexgradError(`Accuracy: topK is ${topK}; it must be at least 1`);
    this.topK = topK;
  }

  /** scores: [n, classes], or [n] guesses for topK 1; target: [n]. */
  update(scores: Tensor, target: Tensor): void {
    const guess = guesses("Accuracy", scores, target);
    const right =
      this.topK === 1
        ? guess.eq(target)
        : // How many classes score higher than the true one, by comparing: no sort.
          scores
            .gt(scores.gather(1, target.reshape(-1, 1)))
            .sum(1)
            .lt(this.topK);
    this.add(right.sum(), target.numel);
  }

  async value(): Promise<number> {
    return (await this.sums())[0]! / this.count;
  }
}

export interface ClassScores {
  /** Of those guessed to be of a class, the part that is. */
  readonly precision: readonly number[];
  /** Of those of a class, the part that was guessed. */
  readonly recall: readonly number[];
  /** 2 precision recall / (precision + recall); 0 where both are. */
  readonly f1: readonly number[];
  /** Their mean over classes. */
  readonly macroF1: number;
  readonly accuracy: number;
}

/** How often class i was taken for class j. */
export class ConfusionMatrix extends Summing {
  readonly classes: number;

  constructor(classes: number) {
    super([classes, classes]);
    if (!Number.isInteger(classes) || classes < 1) {
      throw new TexgradError(`ConfusionMatrix: classes is ${classes}; it must be at least 1`);
    }
    this.classes = classes;
  }

  /** scores: [n, classes] or [n] guesses; target: [n]. */
  update(scores: Tensor, target: Tensor): void {
    const guess = guesses("ConfusionMatrix", scores, target);
    const [truth, taken] = [target, guess].map((t) => t.oneHot(this.classes, "f32"));
    this.add(truth!.t().matmul(taken!), target.numel);
  }

  /** counts[i][j]: samples of class i taken for class j. */
  async value(): Promise<number[][]> {
    const sums = await this.sums();
    const n = this.classes;
    return Array.from({ length: n }, (_, i) => Array.from(sums.subarray(i * n, (i + 1) * n)));
  }

  async scores(): Promise<ClassScores> {
    const counts = await this.value();
    const over = (a: number, b: number): number => (b === 0 ? 0 : a / b);
    const total = (row: readonly number[]): number => row.reduce((a, b) => a + b, 0);
    const precision = counts.map((_, j) => over(counts[j]![j]!, total(counts.map((row) => row[j]!))));
    const recall = counts.map((row, i) => over(row[i]!, total(row)));
    const f1 = precision.map((p, i) => over(2 * p * recall[i]!, p + recall[i]!));
    const right = total(counts.map((row, i) => row[i]!));
    return { precision, recall, f1, macroF1: total(f1) / f1.length, accuracy: right / total(counts.map(total)) };
  }
}
