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
import { philox4x32, type Words4 } from "../ir/philox.ts";
import { numel, show, type Shape } from "../ir/shape.ts";
import { defaultGenerator, noGrad, tensor, type Generator, type Tensor } from "../trace/index.ts";

export interface InitOptions {
  /** Default: the library's, which manualSeed sets. */
  readonly generator?: Generator;
}

/**
 * One of a generator's draws, as a sequence of numbers in [0, 1) that are multiples of 2^-24. Taken when the first number
 * is asked for.
 */
function units(generator: Generator): () => number {
  const key: [number, number] = [...generator.key];
  const counter: Words4 = [0, 0, 0, 0];
  let words: Readonly<Words4> = counter;
  let used = 4;
  return () => {
    if (used === 4) {
      if (words === counter) counter[1] = generator.next();
      else counter[0]++;
      words = philox4x32(counter, key);
      used = 0;
    }
    return (words[used++]! >>> 8) * 2 ** -24;
  };
}

function filled(shape: Shape, value: (next: () => number) => number, generator: Generator = defaultGenerator): Tensor {
  const next = units(generator);
  const values = new Float32Array(numel(shape));
  for (let i = 0; i < values.length; i++) values[i] = value(next);
  return tensor(values, { shape });
}

/** Uniform in [low, high). */
export const uniformValues = (shape: Shape, low: number, high: number, generator?: Generator): Tensor =>
  filled(shape, (next) => low + (high - low) * next(), generator);

/** Normal by Box and Muller, in double precision; one of its two results is used. */
export const normalValues = (shape: Shape, mean: number, std: number, generator?: Generator): Tensor =>
  filled(shape, (next) => mean + std * normalOf(next), generator);

function normalOf(next: () => number): number {
  const [u, v] = [next(), next()];
  return Math.sqrt(-2 * Math.log(1 - u)) * Math.cos(2 * Math.PI * v);
}

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

export interface TruncatedOptions extends InitOptions {
  readonly mean?: number;
  readonly std?: number;
  /** Values lie in [a, b]. Default -2 and 2, whatever the std. */
  readonly a?: number;
  readonly b?: number;
}

/** Normal, drawn again until within [a, b]. Throws TexgradError where less than one draw in a thousand is. */
export function truncNormal(
  p: Tensor,
  { mean = 0, std = 1, a = -2, b = 2, generator = defaultGenerator }: TruncatedOptions = {},
): Tensor {
  const draw = (next: () => number): number => {
    for (let i = 0; i < 10_000; i++) {
      const value = mean + std * normalOf(next);
      if (value >= a && value <= b) return value;
    }
    throw new TexgradError(`init.truncNormal: [${a}, ${b}] holds almost nothing of mean ${mean} and std ${std}`);
  };
  return assign(p, filled(p.shape, draw, generator));
}

/** Ones on the diagonal of a matrix. */
export function eye(p: Tensor): Tensor {
  const [rows, columns] = p.shape;
  if (p.ndim !== 2) throw new ShapeError(`init.eye: a parameter of shape ${show(p.shape)}; it takes a matrix`);
  const values = new Float32Array(numel(p.shape));
  for (let i = 0; i < Math.min(rows!, columns!); i++) values[i * columns! + i] = 1;
  return assign(p, tensor(values, { shape: p.shape }));
}

/** A convolution that hands its channels on, in each group: 1 in the middle of a kernel [out, in, ..k]. */
export function dirac(p: Tensor, groups = 1): Tensor {
  const [out, inputs, ...kernel] = p.shape;
  if (p.ndim < 3 || p.ndim > 5 || out! % groups !== 0) {
    throw new ShapeError(
      `init.dirac: shape ${show(p.shape)} in ${groups} groups; it takes [out, in, ..k] of 3 to 5 axes`,
    );
  }
  const values = new Float32Array(numel(p.shape));
  const size = numel(kernel);
  const middle = kernel.reduce((at, k) => at * k + Math.floor(k / 2), 0);
  const perGroup = out! / groups;
  for (let o = 0; o < out!; o++) {
    const i = o % perGroup;
    if (i < inputs!) values[(o * inputs! + i) * size + middle] = 1;
  }
  return assign(p, tensor(values, { shape: p.shape }));
}

/** gain Q of a random matrix, rows or columns orthonormal, whichever are fewer. Saxe et al. (2014). */
export function orthogonal(p: Tensor, { gain = 1, generator = defaultGenerator }: XavierOptions = {}): Tensor {
  if (p.ndim < 2) throw new ShapeError(`init.orthogonal: a parameter of shape ${show(p.shape)}; it takes [out, ..]`);
  const rows = p.shape[0]!;
  const columns = numel(p.shape.slice(1));
  const [count, length] = rows < columns ? [rows, columns] : [columns, rows];
  const next = units(generator);
  const draw = (): number => normalOf(next);
  const found: Float64Array[] = [];
  for (let i = 0; i < count; i++) {
    const v = Float64Array.from({ length }, draw);
    // Gram and Schmidt, twice: once leaves a trace of the others where v nearly lies among them.
    for (const q of [...found, ...found]) {
      const along = q.reduce((sum, e, k) => sum + e * v[k]!, 0);
      q.forEach((e, k) => (v[k]! -= along * e));
    }
    const norm = Math.hypot(...v);
    found.push(v.map((e) => e / norm));
  }
  const values = new Float32Array(rows * columns);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      values[r * columns + c] = gain * (rows < columns ? found[r]![c]! : found[c]![r]!);
    }
  }
  return assign(p, tensor(values, { shape: p.shape }));
}

/** N(0, std^2) with a part `sparsity` of each column 0, in random places. Martens (2010). A matrix. */
export function sparse(
  p: Tensor,
  sparsity: number,
  { std = 0.01, generator = defaultGenerator }: InitOptions & { readonly std?: number } = {},
): Tensor {
  const [rows, columns] = p.shape;
  if (p.ndim !== 2) throw new ShapeError(`init.sparse: a parameter of shape ${show(p.shape)}; it takes a matrix`);
  if (!(sparsity >= 0 && sparsity <= 1)) throw new TexgradError(`init.sparse: sparsity is ${sparsity}; it is 0 to 1`);
  const next = units(generator);
  const values = Float32Array.from({ length: numel(p.shape) }, () => std * normalOf(next));
  for (let c = 0; c < columns!; c++) {
    const order = Array.from({ length: rows! }, (_, r) => [next(), r] as const).sort(([x], [y]) => x - y);
    for (const [, r] of order.slice(0, Math.ceil(sparsity * rows!))) values[r * columns! + c] = 0;
  }
  return assign(p, tensor(values, { shape: p.shape }));
}

/** What a nonlinearity does to a standard deviation, to be undone by the weights. */
export type Nonlinearity = "linear" | "sigmoid" | "tanh" | "relu" | "leakyRelu" | "selu";

/** `param`: the negative slope of leakyRelu, 0.01 unless given. */
export function calculateGain(nonlinearity: Nonlinearity, param = 0.01): number {
  switch (nonlinearity) {
    case "linear":
    case "sigmoid":
      return 1;
    case "tanh":
      return 5 / 3;
    case "selu":
      return 3 / 4;
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
