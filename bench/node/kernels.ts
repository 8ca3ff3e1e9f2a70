/**
 * Hand-written shaders for what limits.mjs lacks: NT matmul, the two gradients of its convolution, softmax whole, and the
 * product of one row, which no tile can make faster than the matrix is read. In its layouts and with its means: four
 * columns a texel, R rows of the split axis over R layers and render targets, each fetch by texelFetch or by textureLod.
 * Every kernel's values are compared with sums in double precision before it counts.
 */
import type { WebGL2 } from "../../src/runtime/gl-types.ts";
import { Canvas, type Texture } from "./canvas.ts";
import type { HandWritten } from "./hand-written.ts";

const range = (n: number): number[] => [...Array(n).keys()];
const join = (n: number, line: (i: number) => string): string => range(n).map(line).join("\n");
const sumOver = (n: number, term: (k: number) => number): number => range(n).reduce((sum, k) => sum + term(k), 0);

function random(count: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return state / 2 ** 31;
  });
}

type Fetch = (unit: number, x: string, y: string, of: Texture) => string;

/** Of a texture with one layer. */
const fetches: Readonly<Record<string, Fetch>> = {
  texelFetch: (unit, x, y) => `texelFetch(t${unit}, ivec3(${x}, ${y}, 0), 0)`,
  textureLod: (unit, x, y, { width, height }) =>
    `textureLod(t${unit}, vec3((float(${x}) + 0.5) * ${(1 / width).toFixed(12)}, ` +
    `(float(${y}) + 0.5) * ${(1 / height).toFixed(12)}, 0.0), 0.0)`,
};

export function writtenKernels(gl: WebGL2): HandWritten[] {
  const canvas = new Canvas(gl);
  return Object.entries(fetches).flatMap(([mode, fetch]) => [
    ...[512, 1024].flatMap((n) => [4, 8].map((r) => matmulNT(canvas, n, r, mode, fetch))),
    ...[4, 8].map((r) => inputGradient(canvas, r, mode, fetch)),
    ...[4, 8].map((r) => weightGradient(canvas, r, mode, fetch)),
    softmax(canvas, mode, fetch),
    ...[1, 8, 32].map((parts) => rowTimesMatrix(canvas, parts, mode, fetch)),
  ]);
}

/** A row of `a` against four rows of `b`, each product a dot of four lanes. */
function matmulNT(canvas: Canvas, n: number, r: number, mode: string, fetch: Fetch): HandWritten {
  const [a, b] = [random(n * n, 3), random(n * n, 5)];
  const [ta, tb] = [canvas.texture(n / 4, n, 1, a), canvas.texture(n / 4, n, 1, b)];
  return canvas.kernel({
    name: `matmul ${n} NT ${r}x4 ${mode}`,
    inputs: [ta, tb],
    output: canvas.texture(n / 4, n, r),
    main: `ivec2 p = ivec2(gl_FragCoord.xy);
${join(r, (i) => `vec4 s${i} = vec4(0.0);`)}
for (int k = 0; k < ${n / 4}; k++) {
  vec4 a;
  ${join(4, (j) => `vec4 b${j} = ${fetch(1, "k", `p.x * 4 + ${j}`, tb)};`)}
  ${join(r, (i) => `a = ${fetch(0, "k", `p.y * ${r} + ${i}`, ta)}; ${dots(i)}`)}
}
${join(r, (i) => `o${i} = s${i};`)}`,
    expected: (i) => {
      const [row, col] = unsplit(i, n, n, r);
      return sumOver(n, (k) => a[row * n + k]! * b[col * n + k]!);
    },
  });
}

const dots = (i: number): string => `s${i} += vec4(dot(a, b0), dot(a, b1), dot(a, b2), dot(a, b3));`;

/** Row and column of element i as it is read: layer by layer, the split axis' low digit being the layer. */
function unsplit(i: number, rows: number, columns: number, r: number): readonly [row: number, column: number] {
  const layer = Math.floor(i / ((rows * columns) / r));
  const high = Math.floor(i / columns) % (rows / r);
  return [high * r + layer, i % columns];
}

const [N, S, C, K] = [8, 32, 64, 64];
const pixels = S * S;

/**
 * dx[n, y, x, c] = sum over taps and k of g[n, y - down, x - right, k] w[tap, c, k]: the weights as the forward kernel
 * keeps them, rows (tap, c), so four rows of them are four lanes of dx.
 */
function inputGradient(canvas: Canvas, r: number, mode: string, fetch: Fetch): HandWritten {
  const [g, w] = [random(N * pixels * K, 7), random(9 * C * K, 9)];
  const [tg, tw] = [canvas.texture(K / 4, N * pixels, 1, g), canvas.texture(K / 4, 9 * C, 1, w)];
  return canvas.kernel({
    name: `conv input gradient ${r}x4 ${mode}`,
    inputs: [tg, tw],
    output: canvas.texture(C / 4, N * pixels, r),
    main: `ivec2 p = ivec2(gl_FragCoord.xy); int q = p.y & ${pixels - 1}, n = p.y >> 10, py = q >> 5, px = q & 31;
${join(r, (i) => `vec4 s${i} = vec4(0.0);`)}
for (int t = 0; t < 9; t++) {
  int y = py + 1 - t / 3, x = px + 1 - t % 3;
  if (y < 0 || y >= ${S} || x < 0 || x >= ${S}) continue;
  int row = ((n * ${r}) << 10) + (y << 5) + x;
  for (int k = 0; k < ${K / 4}; k++) {
    vec4 a;
    ${join(4, (j) => `vec4 b${j} = ${fetch(1, "k", `t * ${C} + p.x * 4 + ${j}`, tw)};`)}
    ${join(r, (i) => `a = ${fetch(0, "k", `row + ${i * pixels}`, tg)}; ${dots(i)}`)}
  }
}
${join(r, (i) => `o${i} = s${i};`)}`,
    expected: (i) => {
      const layer = Math.floor(i / (((N * pixels) / r) * C));
      const rest = Math.floor(i / C) % ((N / r) * pixels);
      const [image, at, c] = [Math.floor(rest / pixels) * r + layer, rest % pixels, i % C];
      return sumOver(9 * K, (j) => {
        const [t, k] = [Math.floor(j / K), j % K];
        const [y, x] = [Math.floor(at / S) + 1 - Math.floor(t / 3), (at % S) + 1 - (t % 3)];
        if (y < 0 || y >= S || x < 0 || x >= S) return 0;
        return g[((image * S + y) * S + x) * K + k]! * w[(t * C + c) * K + k]!;
      });
    },
  });
}

/** dw[tap, c, k] = sum over pixels of x[n, y + down, x + right, c] g[n, y, x, k]: R rows c against four columns k. */
function weightGradient(canvas: Canvas, r: number, mode: string, fetch: Fetch): HandWritten {
  const [x, g] = [random(N * pixels * C, 7), random(N * pixels * K, 11)];
  const [tx, tg] = [canvas.texture(C / 4, N * pixels, 1, x), canvas.texture(K / 4, N * pixels, 1, g)];
  const groups = C / r;
  return canvas.kernel({
    name: `conv weight gradient ${r}x4 ${mode}`,
    inputs: [tx, tg],
    output: canvas.texture(K / 4, 9 * C, r),
    main: `ivec2 p = ivec2(gl_FragCoord.xy); int t = p.y / ${groups}, c = (p.y % ${groups}) * ${r / 4}, dy = t / 3 - 1, dx = t % 3 - 1;
${join(r, (i) => `vec4 s${i} = vec4(0.0);`)}
for (int n = 0; n < ${N}; n++) for (int y = max(0, -dy); y < min(${S}, ${S} - dy); y++) {
  int row = (n << 10) + (y << 5), from = row + (dy << 5) + dx;
  for (int x = max(0, -dx); x < min(${S}, ${S} - dx); x++) {
    vec4 b = ${fetch(1, "p.x", "row + x", tg)}, a;
    ${join(r / 4, (j) => `a = ${fetch(0, `c + ${j}`, "from + x", tx)}; ${[..."xyzw"].map((lane, i) => `s${4 * j + i} += a.${lane} * b;`).join(" ")}`)}
  }
}
${join(r, (i) => `o${i} = s${i};`)}`,
    expected: (i) => {
      const [row, k] = unsplit(i, 9 * C, K, r);
      const [t, c] = [Math.floor(row / C), row % C];
      return sumOver(N * pixels, (at) => {
        const [y, px] = [(Math.floor(at / S) % S) + Math.floor(t / 3) - 1, (at % S) + (t % 3) - 1];
        if (y < 0 || y >= S || px < 0 || px >= S) return 0;
        return x[((Math.floor(at / pixels) * S + y) * S + px) * C + c]! * g[at * K + k]!;
      });
    },
  });
}

/** Statistics of each row in one draw, as limits.mjs has them in its square form; applied by a second. */
function softmax(canvas: Canvas, mode: string, fetch: Fetch): HandWritten {
  const n = 1024;
  const x = random(n * n, 11);
  const tx = canvas.texture(n / 4, n, 1, x);
  const statistics = canvas.texture(32, 32, 1);
  const first = canvas.kernel({
    name: "softmax statistics",
    inputs: [tx],
    output: statistics,
    main: `int r = int(gl_FragCoord.y) * 32 + int(gl_FragCoord.x);
vec4 m = vec4(-3e38), l = vec4(0.0);
for (int k = 0; k < ${n / 4}; k++) { vec4 v = ${fetch(0, "k", "r", tx)}, next = max(m, v); l = l * exp(m - next) + exp(v - next); m = next; }
float most = max(max(m.x, m.y), max(m.z, m.w));
o0 = vec4(most, dot(l, exp(m - most)), 0.0, 0.0);`,
    expected: (i) => (i % 4 === 0 ? Math.max(...x.subarray((i / 4) * n, (i / 4 + 1) * n)) : undefined),
  });
  const second = canvas.kernel({
    name: `softmax ${mode}`,
    inputs: [tx, statistics],
    output: canvas.texture(n / 4, n, 1),
    main: `ivec2 p = ivec2(gl_FragCoord.xy); vec4 s = ${fetch(1, "(p.y & 31)", "(p.y >> 5)", statistics)};
o0 = exp(${fetch(0, "p.x", "p.y", tx)} - s.x) / s.y;`,
    expected: (i) => {
      const row = x.subarray(Math.floor(i / n) * n, Math.floor(i / n) * n + n);
      const most = Math.max(...row);
      return Math.exp(x[i]! - most) / row.reduce((sum, v) => sum + Math.exp(v - most), 0);
    },
  });
  return canvas.sequence(`softmax ${mode}`, [first, second]);
}

/** [1, 1024] x [1024, 1024]: each part of the sum in a fragment of its own, added up by a second draw. */
function rowTimesMatrix(canvas: Canvas, parts: number, mode: string, fetch: Fetch): HandWritten {
  const n = 1024;
  const [a, b] = [random(n, 3), random(n * n, 5)];
  const [ta, tb] = [canvas.texture(n / 4, 1, 1, a), canvas.texture(n / 4, n, 1, b)];
  const partial = canvas.texture(n / 4, parts, 1);
  const part = n / parts / 4;
  const exact = (row: number, col: number, count: number): number =>
    sumOver(count, (k) => a[row * count + k]! * b[(row * count + k) * n + col]!);
  const name = `row times matrix, ${parts} parts, ${mode}`;
  const first = canvas.kernel({
    name,
    inputs: [ta, tb],
    output: partial,
    main: `ivec2 p = ivec2(gl_FragCoord.xy); vec4 s = vec4(0.0);
for (int k = p.y * ${part}; k < (p.y + 1) * ${part}; k++) {
  vec4 a = ${fetch(0, "k", "0", ta)};
  s += ${[..."xyzw"].map((lane, i) => `a.${lane} * ${fetch(1, "p.x", `k * 4 + ${i}`, tb)}`).join(" + ")};
}
o0 = s;`,
    expected: (i) => exact(Math.floor(i / n), i % n, n / parts),
  });
  if (parts === 1) return first;
  const second = canvas.kernel({
    name,
    inputs: [partial],
    output: canvas.texture(n / 4, 1, 1),
    main: `int x = int(gl_FragCoord.x); vec4 s = vec4(0.0);
for (int k = 0; k < ${parts}; k++) s += ${fetch(0, "x", "k", partial)};
o0 = s;`,
    expected: (i) => exact(0, i, n),
  });
  return canvas.sequence(name, [first, second]);
}
