/**
 * `nn.init`: gives parameters initial values, with PyTorch's names, in camelCase and without the underscore.
 *
 * Values are drawn on the host from a generator's stream, so that a seed gives the same weights on every device. Not
 * here: which layer takes which distribution (layer.ts).
 *
 * fanIn and fanOut: how many inputs an output is a sum of, and the reverse: of a weight [out, in, ..k] they are
 * in * k and out * k.
 */
import { ShapeError, TexgradError } from "../ir/errors.ts";
import { philox4x32 } from "../ir/philox.ts";
import { numel, show, type Shape } from "../ir/shape.ts";
import { defaultGenerator, noGrad, tensor, type Generator, type Tensor } from "../trace/index.ts";

export interface InitOptions {
  /** Default: the library's, which manualSeed sets. */
  readonly generator?: Generator;
}

/** One of a generator's draws, as a sequence of numbers in [0, 1) that are multiples of 2^-24. */
function* units(generator: Generator): globalThis.Generator<number, never, undefined> {
  const stream = generator.next();
  const [key0, key1] = generator.key;
  for (let block = 0; ; block++) {
    for (const word of philox4x32([block, stream, 0, 0], [key0, key1])) yield (word >>> 8) * 2 ** -24;
  }
}

function filled(shape: Shape, value: (next: () => number) => number, generator: Generator = defaultGenerator): Tensor {
  const source = units(generator);
  const next = (): number => source.next().value;
  return tensor(
    Float32Array.from({ length: numel(shape) }, () => value(next)),
    { shape },
  );
}

/** Uniform in [low, high). */
export const uniformValues = (shape: Shape, low: number, high: number, generator?: Generator): Tensor =>
  filled(shape, (next) => low + (high - low) * next(), generator);

/** Normal by Box and Muller, in double precision; one of its two results is used. */
export const normalValues = (shape: Shape, mean: number, std: number, generator?: Generator): Tensor =>
  filled(
    shape,
    (next) => {
      const [u, v] = [next(), next()];
      return mean + std * Math.sqrt(-2 * Math.log(1 - u)) * Math.cos(2 * Math.PI * v);
    },
    generator,
  );

function assign(p: Tensor, values: Tensor | number): Tensor {
  return noGrad(() => p.copy_(values));
}

/** Uniform in [low, high). */
export const uniform = (p: Tensor, low = 0, high = 1, { generator }: InitOptions = {}): Tensor =>
  assign(p, uniformValues(p.shape, low, high, generator));

export const normal = (p: Tensor, mean = 0, std = 1, { generator }: InitOptions = {}): Tensor =>
  assign(p, normalValues(p.shape, mean, std, generator));

export const constant = (p: Tensor, value: number): Tensor => assign(p, tensorOf(p, value));
export const zeros = (p: Tensor): Tensor => constant(p, 0);
export const ones = (p: Tensor): Tensor => constant(p, 1);

const tensorOf = (p: Tensor, value: number): Tensor =>
  tensor(new Float32Array(numel(p.shape)).fill(value), { shape: p.shape });

/** What a nonlinearity does to a standard deviation, to be undone by the weights. */
export type Nonlinearity = "linear" | "sigmoid" | "tanh" | "relu" | "leakyRelu";

/** `param`: the negative slope of leakyRelu, 0.01 unless given. */
export function calculateGain(nonlinearity: Nonlinearity, param = 0.01): number {
  switch (nonlinearity) {
    case "linear":
    case "sigmoid":
      return 1;
    case "tanh":
      return 5 / 3;
    case "relu":
      return Math.SQRT2;
    case "leakyRelu":
      return Math.sqrt(2 / (1 + param * param));
  }
}

/** [fanIn, fanOut]. */
function fans(op: string, { shape }: Tensor): readonly [number, number] {
  const [out, inputs, ...kernel] = shape;
  if (out === undefined || inputs === undefined) {
    throw new ShapeError(`init.${op}: a parameter of shape ${show(shape)} has no fan-in; it takes [out, in, ..]`);
  }
  return [inputs * numel(kernel), out * numel(kernel)];
}

export interface XavierOptions extends InitOptions {
  /** Default 1; see calculateGain. */
  readonly gain?: number;
}

/** U(-b, b), b = gain sqrt(6 / (fanIn + fanOut)). Glorot & Bengio (2010). */
export function xavierUniform(p: Tensor, { gain = 1, generator }: XavierOptions = {}): Tensor {
  const [fanIn, fanOut] = fans("xavierUniform", p);
  const bound = gain * Math.sqrt(6 / (fanIn + fanOut));
  return assign(p, uniformValues(p.shape, -bound, bound, generator));
}

/** N(0, s^2), s = gain sqrt(2 / (fanIn + fanOut)). Glorot & Bengio (2010). */
export function xavierNormal(p: Tensor, { gain = 1, generator }: XavierOptions = {}): Tensor {
  const [fanIn, fanOut] = fans("xavierNormal", p);
  return assign(p, normalValues(p.shape, 0, gain * Math.sqrt(2 / (fanIn + fanOut)), generator));
}

export interface KaimingOptions extends InitOptions {
  /** Negative slope of the leakyRelu. Default 0. */
  readonly a?: number;
  /** Which fan keeps its variance: forward or backward. Default "fanIn". */
  readonly mode?: "fanIn" | "fanOut";
  /** Default "leakyRelu". */
  readonly nonlinearity?: Nonlinearity;
}

function kaimingStd(
  op: string,
  p: Tensor,
  { a = 0, mode = "fanIn", nonlinearity = "leakyRelu" }: KaimingOptions,
): number {
  const [fanIn, fanOut] = fans(op, p);
  const fan = mode === "fanIn" ? fanIn : fanOut;
  if (fan === 0) throw new TexgradError(`init.${op}: ${mode} of ${show(p.shape)} is 0`);
  return calculateGain(nonlinearity, a) / Math.sqrt(fan);
}

/** U(-b, b), b = gain sqrt(3 / fan). He et al. (2015). */
export function kaimingUniform(p: Tensor, options: KaimingOptions = {}): Tensor {
  const bound = Math.sqrt(3) * kaimingStd("kaimingUniform", p, options);
  return assign(p, uniformValues(p.shape, -bound, bound, options.generator));
}

/** N(0, s^2), s = gain / sqrt(fan). He et al. (2015). */
export const kaimingNormal = (p: Tensor, options: KaimingOptions = {}): Tensor =>
  assign(p, normalValues(p.shape, 0, kaimingStd("kaimingNormal", p, options), options.generator));
