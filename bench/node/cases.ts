/** What texgrad computes beside hand-written shaders, and which of those compute the same. */
import { F, grad, realize, tensor, type Tensor } from "texgrad";

export interface Case {
  readonly name: string;
  /** The hand-written kernels that compute this, the fastest of which counts. */
  readonly rivals: RegExp;
  /** Traces and submits; gives what was computed. */
  step(): readonly Tensor[];
  /** Element `i` of result `r`, in double precision. */
  expected(r: number, i: number): number;
}

/** Whole numbers from a linear congruence, spread over [-1, 1). */
function random(count: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return state / 2 ** 31;
  });
}

const sumOver = (n: number, term: (k: number) => number): number => {
  let sum = 0;
  for (let k = 0; k < n; k++) sum += term(k);
  return sum;
};

function submitted(...results: Tensor[]): readonly Tensor[] {
  realize(...results);
  return results;
}

function matmul(n: number, form: "NN" | "NT" | "TN"): Case {
  const [a, b] = [random(n * n, 3), random(n * n, 5)];
  const ta = tensor(a, { shape: [n, n] });
  const tb = tensor(b, { shape: [n, n] });
  const left = (i: number, k: number): number => (form === "TN" ? a[k * n + i]! : a[i * n + k]!);
  const right = (k: number, j: number): number => (form === "NT" ? b[j * n + k]! : b[k * n + j]!);
  return {
    name: `matmul ${n} ${form}`,
    rivals: new RegExp(`^matmul ${n} ${form} `),
    step: () => submitted((form === "TN" ? ta.t() : ta).matmul(form === "NT" ? tb.t() : tb)),
    expected: (_, i) => sumOver(n, (k) => left(Math.floor(i / n), k) * right(k, i % n)),
  };
}

const [N, C, S, O] = [8, 64, 32, 64];

/** 3x3, pad 1, 8x64x32x32 -> 64, and its two gradients. */
function convolutions(): Case[] {
  const [x, w, g] = [random(N * C * S * S, 7), random(O * C * 9, 9), random(N * O * S * S, 11)];
  const options = { shape: [N, C, S, S], requiresGrad: true };
  const [tx, tw] = [tensor(x, options), tensor(w, { shape: [O, C, 3, 3], requiresGrad: true })];
  const gradOutputs = [tensor(g, { shape: [N, O, S, S] })];
  const at = (data: Float32Array, channels: number, n: number, c: number, row: number, col: number): number =>
    row < 0 || row >= S || col < 0 || col >= S ? 0 : data[((n * channels + c) * S + row) * S + col]!;
  const kernel = (o: number, c: number, t: number): number => w[(o * C + c) * 9 + t]!;
  const place = (i: number): readonly [number, number, number, number] => [
    Math.floor(i / (C * S * S)),
    Math.floor(i / (S * S)) % C,
    Math.floor(i / S) % S,
    i % S,
  ];
  const down = (t: number): number => Math.floor(t / 3) - 1;
  const right = (t: number): number => (t % 3) - 1;
  return [
    {
      name: "conv forward",
      rivals: /^conv 3x3/,
      step: () => submitted(F.conv2d(tx.detach(), tw.detach(), null, { padding: 1 })),
      expected: (_, i) => {
        const [n, o, row, col] = place(i);
        return sumOver(C * 9, (k) => {
          const [c, t] = [Math.floor(k / 9), k % 9];
          return at(x, C, n, c, row + down(t), col + right(t)) * kernel(o, c, t);
        });
      },
    },
    {
      name: "conv input gradient",
      rivals: /^conv input gradient/,
      step: () => submitted(...grad(F.conv2d(tx, tw.detach(), null, { padding: 1 }), [tx], { gradOutputs })),
      expected: (_, i) => {
        const [n, c, row, col] = place(i);
        return sumOver(O * 9, (k) => {
          const [o, t] = [Math.floor(k / 9), k % 9];
          return at(g, O, n, o, row - down(t), col - right(t)) * kernel(o, c, t);
        });
      },
    },
    {
      name: "conv weight gradient",
      rivals: /^conv weight gradient/,
      step: () => submitted(...grad(F.conv2d(tx.detach(), tw, null, { padding: 1 }), [tw], { gradOutputs })),
      expected: (_, i) => {
        const [o, c, t] = [Math.floor(i / (C * 9)), Math.floor(i / 9) % C, i % 9];
        return sumOver(N * S * S, (k) => {
          const [n, row, col] = [Math.floor(k / (S * S)), Math.floor(k / S) % S, k % S];
          return at(x, C, n, c, row + down(t), col + right(t)) * at(g, O, n, o, row, col);
        });
      },
    },
  ];
}

/** Elementwise work and statistics of the rows of 1024x1024. */
function rows(): Case[] {
  const n = 1024;
  const x = random(n * n, 11);
  const tx = tensor(x, { shape: [n, n] });
  const row = (i: number): Float32Array => x.subarray(i * n, i * n + n);
  const mean = (r: Float32Array): number => sumOver(n, (k) => r[k]!) / n;
  const squares = (r: Float32Array): number => sumOver(n, (k) => (r[k]! - mean(r)) ** 2);
  const exps = (r: Float32Array): number => sumOver(n, (k) => Math.exp(r[k]! - Math.max(...r)));
  return [
    {
      name: "elementwise chain",
      rivals: /^elementwise, ten ops/,
      step: () => submitted(tx.mul(1.3).add(0.2).sigmoid().mul(tx.tanh()).add(tx.sub(0.5).relu()).sub(tx.mul(tx))),
      expected: (_, i) => {
        const v = x[i]!;
        return Math.tanh(v) / (1 + Math.exp(-(1.3 * v + 0.2))) + Math.max(v - 0.5, 0) - v * v;
      },
    },
    {
      name: "softmax statistics",
      rivals: /^online softmax statistics/,
      step: () => {
        const largest = tx.amax(1, true);
        return submitted(largest, tx.sub(largest).exp().sum(1));
      },
      expected: (r, i) => (r === 0 ? Math.max(...row(i)) : exps(row(i))),
    },
    {
      name: "layer norm statistics",
      rivals: /^shifted moments/,
      step: () => {
        const centre = tx.mean(1, true);
        return submitted(centre, tx.sub(centre).square().sum(1));
      },
      expected: (r, i) => (r === 0 ? mean(row(i)) : squares(row(i))),
    },
    {
      name: "softmax",
      rivals: /^softmax te/,
      step: () => submitted(tx.softmax(1)),
      expected: (_, i) => {
        const r = row(Math.floor(i / n));
        return Math.exp(x[i]! - Math.max(...r)) / exps(r);
      },
    },
  ];
}

/** [1, 1024] x [1024, 1024]: the matrix is read once, and nothing is there to share. */
function rowTimesMatrix(): Case[] {
  const n = 1024;
  const [a, b] = [random(n, 3), random(n * n, 5)];
  const [ta, tb] = [tensor(a, { shape: [1, n] }), tensor(b, { shape: [n, n] })];
  return [
    {
      name: "batch 1",
      rivals: /^row times matrix/,
      step: () => submitted(ta.matmul(tb)),
      expected: (_, i) => sumOver(n, (k) => a[k]! * b[k * n + i]!),
    },
  ];
}

/** Made when asked for: inputs of cases that do not run cost nothing. */
export const cases: Readonly<Record<string, () => readonly Case[]>> = {
  matmul: () => [512, 1024].flatMap((n) => (["NN", "NT", "TN"] as const).map((form) => matmul(n, form))),
  conv: convolutions,
  rows,
  batch1: rowTimesMatrix,
};
