/**
 * Random tensors. A draw takes (seed, stream) from its generator when it is traced, as uniforms, so the same draw gives
 * the same bits in forward, backward and any recomputation, and no two draws share a plan's constants.
 */
import { randomBernoulli, randomIntegers, randomNormal, randomUniform, type Stream } from "../ir/compose/random.ts";
import type { Node } from "../ir/node.ts";
import * as ops from "../ir/ops/index.ts";
import { ShapeError } from "../ir/errors.ts";
import { uniform } from "../ir/ops/leaf.ts";
import { philox4x32, type Words4 } from "../ir/philox.ts";
import { checkExtents, type Shape } from "../ir/shape.ts";
import type { UniformSource } from "../ir/source.ts";
import { Cell } from "./cell.ts";
import { engine } from "./engine.ts";
import { apply, scalar, type Handle } from "./handle.ts";
import type { TensorOptions } from "./create.ts";
import { recorder, refuseToRecord } from "./recorder.ts";
import { newTensor, type Tensor } from "./tensor.ts";

/** A seed and how many draws were taken from it. Two generators of one seed draw the same. */
export class Generator {
  #seed: number;
  #draws = 0;

  constructor(seed: number) {
    this.#seed = checkSeed(seed);
  }

  /** Starts over with a seed: a whole number from 0 to 2^53 - 1. */
  manualSeed(seed: number): this {
    refuseToRecord("a generator is seeded", "seed it before the call");
    this.#seed = checkSeed(seed);
    this.#draws = 0;
    return this;
  }

  get state(): { readonly seed: number; readonly draws: number } {
    return { seed: this.#seed, draws: this.#draws };
  }
  set state({ seed, draws }: { readonly seed: number; readonly draws: number }) {
    refuseToRecord("a generator is seeded", "seed it before the call");
    this.#seed = checkSeed(seed);
    this.#draws = draws;
  }

  /** @internal The number of the next draw. */
  next(): number {
    recorder()?.drew(this);
    return this.#draws++;
  }

  /** @internal Takes the numbers of the next `count` draws, and gives the first. */
  skip(count: number): number {
    this.#draws += count;
    return this.#draws - count;
  }

  /** @internal The two words of the key. */
  get key(): readonly [number, number] {
    return [this.#seed >>> 0, Math.floor(this.#seed / 2 ** 32) >>> 0];
  }

  /** @internal A stream for one draw, as nodes. */
  stream(): Stream {
    const [key0, key1] = this.key;
    const word = (part: DrawPart, value: number): Node => uniform(new DrawSource(this, part, value), "u32");
    return { stream: word("stream", this.next()), key0: word("key0", key0), key1: word("key1", key1) };
  }
}

type DrawPart = "stream" | "key0" | "key1";

/** A number of a random draw: where it came from, so that a replay can take the next. */
export class DrawSource implements UniformSource {
  readonly kind = "uniform";
  readonly generator: Generator;
  readonly part: DrawPart;
  readonly value: number;
  constructor(generator: Generator, part: DrawPart, value: number) {
    this.generator = generator;
    this.part = part;
    this.value = value;
  }
  read = (): number => this.value;
}

function checkSeed(seed: number): number {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new ShapeError(`seed: takes a whole number from 0 to 2^53 - 1, got ${seed}`);
  }
  return seed;
}

/** What draws use that name no generator. */
export const defaultGenerator = new Generator(0);

/** Seeds the common generator, which draws without a generator use. */
export function manualSeed(seed: number): void {
  defaultGenerator.manualSeed(seed);
}

export interface RandomOptions extends Omit<TensorOptions, "dtype"> {
  readonly generator?: Generator;
}

function draw(f: (s: Stream) => Node, { generator = defaultGenerator, requiresGrad = false }: RandomOptions): Tensor {
  const node = f(generator.stream());
  engine.checkFits(node);
  if (requiresGrad) recorder()?.made("a leaf that requires a gradient");
  return requiresGrad
    ? newTensor(new Cell("tensor", node.dtype, node.shape, node), true)
    : newTensor(engine.trace(node, false, false));
}

/** Uniform in [0, 1). */
export function rand(shape: Shape, options: RandomOptions = {}): Tensor {
  checkExtents("rand", shape);
  return draw((s) => randomUniform(shape, s), options);
}

/** Standard normal. */
export function randn(shape: Shape, options: RandomOptions = {}): Tensor {
  checkExtents("randn", shape);
  return draw((s) => randomNormal(shape, s), options);
}

/** Whole numbers in [low, high), i32. */
export function randint(low: number, high: number, shape: Shape, options: RandomOptions = {}): Tensor {
  checkExtents("randint", shape);
  if (!Number.isInteger(low) || !Number.isInteger(high) || high <= low) {
    throw new ShapeError(`randint: [${low}, ${high}) holds no whole number`);
  }
  return draw((s) => randomIntegers(shape, scalar(low, "i32"), scalar(high, "i32"), s), options);
}

/** bool, true with the probability given: one for all, or a tensor of them. */
export function bernoulli(
  p: number | Handle,
  shape?: Shape,
  { generator = defaultGenerator }: RandomOptions = {},
): Tensor {
  if (typeof p !== "number") {
    return apply((x) => randomBernoulli(shape ?? x.shape, x, generator.stream()), [p]);
  }
  const s = shape ?? [];
  checkExtents("bernoulli", s);
  return draw((stream) => randomBernoulli(s, scalar(p), stream), { generator });
}

/** The numbers 0 to n - 1 in random order, i32. Shuffled on the host, alike on every device. */
export function randperm(n: number, { generator = defaultGenerator }: RandomOptions = {}): Tensor {
  checkExtents("randperm", [n]);
  const order = Int32Array.from({ length: n }, (_, i) => i);
  const stream = generator.next();
  let words: Words4 = [0, 0, 0, 0];
  // Fisher and Yates, with a word a swap.
  for (let i = n - 1, used = 0; i > 0; i--, used++) {
    if (used % 4 === 0) words = philox4x32([used / 4, stream, 1, 0], [...generator.key]);
    const j = Math.floor((words[used % 4]! / 2 ** 32) * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return newTensor(engine.trace(ops.input({ kind: "input", array: order }, "i32", [n]), false, false));
}
