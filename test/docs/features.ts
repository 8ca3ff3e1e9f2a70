/**
 * FEATURES.md from the code: for each operation a PyTorch user reaches for, how it is called, where it runs, which dtypes
 * it takes, whether it differentiates, and how many of PyTorch's calls are compared. Names are looked up, dtypes tried,
 * read-backs counted on the reference device; nothing is claimed by hand but why something is left out.
 */
import { format } from "prettier";
import * as texgrad from "../../src/index.ts";
import type { DType } from "../../src/ir/dtype.ts";
import { referenceDevice } from "../../src/reference.ts";
import { setDevice, tensor, Tensor } from "../../src/trace/index.ts";
import { fixture, toArray, type FixtureTensor, type FunctionCase } from "../fixtures/load.ts";
import { different, looser } from "../ops/function-exceptions.ts";
import { callWith } from "../support/function-case.ts";

const [functionCases, opCases, layerCases, lossCases] = [
  fixture("functions").cases,
  fixture("ops").cases,
  fixture("layers").cases,
  fixture("losses").cases,
] as const;

const names = (text: string): readonly string[] => text.trim().split(/\s+/);

/** What is asked for, by torch's names in camelCase. */
export const groups: Readonly<Record<string, readonly string[]>> = {
  Elementwise: names(`neg abs sign square exp log sqrt rsqrt reciprocal sin cos tan floor ceil round add sub mul div pow
    maximum minimum eq ne lt le gt ge logicalAnd logicalOr logicalXor logicalNot where expm1 log1p log2 log10 exp2 asin
    acos atan atan2 sinh cosh tanh asinh acosh atanh erf erfc erfinv lgamma digamma polygamma logit clamp lerp fmod
    remainder floorDivide trunc frac hypot logaddexp logaddexp2 xlogy xlog1py nanToNum isnan isfinite isinf signbit
    bitwiseAnd bitwiseOr bitwiseXor bitwiseNot bitwiseLeftShift bitwiseRightShift copysign heaviside addcmul addcdiv`),
  Activations: names(`relu sigmoid relu6 leakyRelu prelu elu selu celu gelu silu mish softplus softsign hardtanh
    hardsigmoid hardswish tanhshrink softshrink hardshrink glu logSigmoid threshold rrelu`),
  Reductions: names(`sum mean prod std var norm logsumexp softmax logSoftmax softmin cumsum cumprod cummax cummin
    logcumsumexp median quantile mode countNonzero nansum amax amin aminmax max min argmax argmin any all`),
  "Shape and index":
    names(`squeeze unsqueeze transpose permute movedim flatten unflatten reshape view expand broadcastTo
    repeat repeatInterleave tile stack cat vstack hstack split chunk unbind narrow select slice indexSelect gather scatter
    scatterAdd scatterReduce indexAdd indexCopy indexFill index indexPut maskedFill maskedSelect take takeAlongDim nonzero
    roll rot90 tril triu diag diagEmbed diagonal trace meshgrid unfold fold pad flip sort argsort topk kthvalue unique
    searchsorted bucketize oneHot histc bincount`),
  Contraction: names(`dot mv mm bmm matmul addmm addmv baddbmm outer inner einsum rearrange tensordot kron cdist cross
    cosineSimilarity normalize scaledDotProductAttention linear`),
  Images: names(`conv1d conv2d conv3d convTranspose1d convTranspose2d convTranspose3d avgPool1d avgPool2d avgPool3d
    maxPool1d maxPool2d maxPool3d adaptiveAvgPool1d adaptiveAvgPool2d adaptiveAvgPool3d adaptiveMaxPool1d
    adaptiveMaxPool2d adaptiveMaxPool3d adaptiveMaxPool1dWithIndices adaptiveMaxPool2dWithIndices
    adaptiveMaxPool3dWithIndices lpPool1d lpPool2d lpPool3d maxUnpool1d maxUnpool2d maxUnpool3d interpolate
    gridSample affineGrid pixelShuffle pixelUnshuffle channelShuffle`),
  "Linear algebra": names("cholesky triangularSolve solve inv det slogdet qr eigh svd"),
  Random: names("rand randn bernoulli randint randperm multinomial exponential gamma manualSeed"),
};

const landing = "third landing of issue 4: linear algebra, the sort family, sampling";

/** What does not exist, and why. */
export const leftOut: Readonly<Record<string, string>> = {
  rearrange: "axis notation comes with the subpath texgrad/axes",
  ...Object.fromEntries(groups["Linear algebra"]!.map((name) => [name, landing])),
  multinomial: landing,
  exponential: landing,
  gamma: landing,
};

/** What a user must know beside the names. Shown by functions.json where a case is named. */
const notes: readonly (readonly [what: string, ours: string])[] = [
  ["int64, float64", "i32 and f32: a texture has 32 bits a lane"],
  ["`argsort`, `topk`, `median`, .. of equal elements", "stable: the first stays first; torch promises nothing"],
  ["`sort` and its family, `searchsorted`", "by counting, n comparisons an element: for axes of some thousands"],
  ["`scatter`, `indexPut` with one place twice", "the last wins; torch promises nothing"],
  ["an index out of range", "throws where the host knows it; made on a device it reads 0 and writes nothing"],
  ["`index(x, [0, null, i])`", "numpy's rule: a number counts as a tensor, so that the picked axes come first"],
  ["`fmod`, `remainder`, `floorDivide` by 0 of integers", "some integer; torch throws, which a device cannot"],
  ["`sinh`, `cosh` above 88.7", "infinite; torch's overflow at 89.4"],
  ["`var`", "`variance(x)` or `x.var()`: `var` is no name for a variable, though it can be imported as one"],
  ...Object.entries(different).map(([id, why]) => [`functions.json, ${id}`, why] as const),
];

/** How an op can be called, in the order of preference. */
export function spellings(name: string): string[] {
  const has = (home: object): boolean => typeof (home as Record<string, unknown>)[name] === "function";
  return [
    ...(has(texgrad) ? [`${name}(..)`] : []),
    ...(has(texgrad.F) ? [`F.${name}(..)`] : []),
    ...(name in Tensor.prototype ? [`x.${name}(..)`] : []),
  ];
}

interface Compared {
  readonly cases: number;
  readonly gradients: number;
  readonly second: number;
}

/** Calls of PyTorch that are compared, by op. */
export function comparedCalls(): ReadonlyMap<string, Compared> {
  const found = new Map<string, Compared>();
  const count = (op: string, graded: boolean, second: boolean): void => {
    const name = op.replace(/^F\./, "");
    const old = found.get(name) ?? { cases: 0, gradients: 0, second: 0 };
    found.set(name, {
      cases: old.cases + 1,
      gradients: old.gradients + Number(graded),
      second: old.second + Number(second),
    });
  };
  for (const c of [...opCases, ...layerCases]) count(c.op, c.grads !== null, c.grad2 !== undefined);
  for (const c of lossCases) count(c.op, c.grads !== null, false);
  for (const c of functionCases) {
    count(c.op === "variance" ? "var" : c.op, c.grads !== null, c.grad2 !== undefined);
  }
  return found;
}

const allDtypes: readonly DType[] = ["f32", "i32", "u32", "bool"];

const as = (t: FixtureTensor, dtype: DType): Tensor =>
  tensor(
    toArray(t).map((v) => (dtype === "u32" ? Math.abs(v) : v)),
    { shape: t.shape, dtype },
  );

/** The dtypes a call takes in place of that of its first input. */
function takenBy(c: FunctionCase): DType[] {
  const own = c.inputs[0]?.dtype;
  return allDtypes.filter((dtype) => {
    try {
      callWith(
        c,
        c.inputs.map((t) => as(t, t.dtype === own ? dtype : t.dtype)),
      );
      return true;
    } catch (error) {
      if (error instanceof texgrad.TexgradError) return false;
      throw error;
    }
  });
}

/** Whether a call waits for values that only the device has. */
function readsBack(c: FunctionCase): boolean {
  const device = referenceDevice();
  setDevice(device);
  const made = c.inputs.map((t) => {
    const x = as(t, t.dtype);
    return t.dtype === "bool" ? x.logicalNot().logicalNot() : x.add(as(t, t.dtype)).sub(as(t, t.dtype));
  });
  const before = device.counters.runs;
  callWith(c, made);
  return device.counters.runs > before;
}

interface Row {
  readonly name: string;
  readonly called: string;
  readonly runs: string;
  readonly dtypes: string;
  readonly gradient: string;
  readonly calls: number;
}

function rowOf(name: string, compared: ReadonlyMap<string, Compared>): Row {
  const own = functionCases.filter(({ op }) => op === name || op === `F.${name}`);
  const others = [...opCases, ...layerCases].filter(({ op }) => op === name);
  const first = own.find((c) => c.inputs.some((t) => t.data.length > 0));
  setDevice(referenceDevice());
  const dtypes =
    first === undefined ? allDtypes.filter((t) => others.some((c) => c.inputs[0]?.dtype === t)) : takenBy(first);
  const found = compared.get(name);
  return {
    name,
    called: spellings(name)
      .map((e) => `\`${e}\``)
      .join(", "),
    runs: own.some(readsBack) ? "GL, cpu; reads back" : "GL, cpu",
    dtypes: dtypes.join(", "),
    gradient: found === undefined ? "" : found.gradients > 0 ? "any order" : "none",
    calls: found?.cases ?? 0,
  };
}

const table = (head: readonly string[], rows: readonly (readonly (string | number)[])[]): string =>
  [head, head.map(() => "---"), ...rows]
    .map((row) => `| ${row.map((e) => String(e).replaceAll("|", "\\|")).join(" | ")} |`)
    .join("\n");

export interface Counts {
  readonly ops: number;
  readonly calls: number;
  readonly gradients: number;
  readonly second: number;
  readonly looser: number;
  readonly leftOut: number;
}

export function counts(): Counts {
  const compared = [...comparedCalls().values()];
  const sum = (f: (c: Compared) => number): number => compared.reduce((n, c) => n + f(c), 0);
  return {
    ops: Object.values(groups).flat().length - Object.keys(leftOut).length,
    calls: sum((c) => c.cases),
    gradients: sum((c) => c.gradients),
    second: sum((c) => c.second),
    looser: Object.keys(looser).length,
    leftOut: Object.keys(leftOut).length,
  };
}

export async function features(): Promise<string> {
  const compared = comparedCalls();
  const c = counts();
  const sections = Object.entries(groups).map(([title, list]) => {
    const present = list.filter((name) => leftOut[name] === undefined).map((name) => rowOf(name, compared));
    const rows = present.map((r) => [`\`${r.name}\``, r.called, r.runs, r.dtypes, r.gradient, r.calls || ""]);
    const shown =
      rows.length === 0 ? "None yet." : table(["op", "called", "runs on", "dtypes", "gradient", "calls"], rows);
    return `## ${title}\n\n${shown}`;
  });
  const text = `# Features

Made by \`npm run docs\` from the code; do not edit. ${c.ops} operations, ${c.calls} calls compared with PyTorch's on the evaluator, the cpu
device, headless GL and (half of the functions' calls) Chromium, gradients of ${c.gradients} of them, second derivatives of ${c.second}.

**called**: a function of \`texgrad\`, of \`F\`, a method of Tensor; \`texgrad/methods\` makes methods of the first. **runs on**: everything is
traced and runs on the device, nothing silently on the CPU; what _reads back_ waits for values whose number it needs. **dtypes**: of the
first operand; integers and bools become f32 where torch computes in floats. **gradient**: gradients are graphs of the same operations,
so of any order. **calls**: of PyTorch that are compared. Tolerance: 1e-5 of the largest value and 2e-5 of each value away from zero;
${c.looser} operations are given more, with the reason (test/ops/function-exceptions.ts).

${sections.join("\n\n")}

## Left out

${table(
  ["op", "why"],
  Object.entries(leftOut).map(([name, why]) => [`\`${name}\``, why]),
)}

## Where it differs from PyTorch

${table(["of torch", "here"], notes)}
`;
  return format(text, { parser: "markdown", printWidth: 140 });
}
