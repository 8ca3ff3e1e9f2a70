/** Shaders of the kinds texgrad emits, written by hand, against plain JavaScript. */
import { expect, test } from "vitest";
import { countShader } from "../../tools/glsl/count.ts";
import { readShader } from "../../tools/glsl/read.ts";
import { reportShader, type Texture } from "../../tools/glsl/run.ts";
import { matmulShader, philoxShader, softmaxShader } from "./kernels.ts";
import { emptyInputs } from "./shaders.ts";

const noise = (n: number, seed: number): Float32Array =>
  Float32Array.from({ length: n }, (_, i) => Math.sin(12.9898 * i + 78.233 * seed) * 2);

/** Rows of `width` texels in `layers` layers: row i is in layer i mod layers. */
function pack(rows: number, columns: number, layers: number, x: Float32Array): Texture {
  const [width, height] = [Math.ceil(columns / 4), Math.ceil(rows / layers)];
  const data = new Float32Array(width * height * layers * 4).fill(NaN);
  for (let r = 0; r < rows; r++) {
    const row = ((r % layers) * height + Math.floor(r / layers)) * width * 4;
    data.set(x.subarray(r * columns, (r + 1) * columns), row);
  }
  return { width, height, layers, data };
}

test.each(["texelFetch", "textureLod"] as const)("matmul NN 4x4 with four outputs by %s", (how) => {
  const [m, k, n] = [8, 12, 16];
  const [a, b] = [noise(m * k, 1), noise(k * n, 2)];
  const shader = readShader(matmulShader(how, { m, k, n }));
  const textures = { t0: pack(m, k, 1, a), t1: pack(k, n, 1, b) };
  const report = reportShader(shader, { width: n / 4, height: m / 4, uniforms: { k4: k / 4 }, textures });
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let l = 0; l < k; l++) sum += a[i * k + l]! * b[l * n + j]!;
      // k roundings of partial sums of at most 4 k.
      expect(report.outputs[`o${i % 4}`]![Math.floor(i / 4) * n + j]).toBeCloseTo(sum, 4);
    }
  }
  expect(report).toMatchObject({ outOfRangeFetches: 0, warnings: {}, fetches: (m / 4) * (n / 4) * (k / 4) * 8 });
  expect(countShader(shader)).toMatchObject({ fetches: 8, loops: 1, samplers: 2, outputs: 4, uniformVectors: 1 });
});

test("softmax statistics in two phases, with padded lanes that hold NaN", () => {
  const [rows, columns] = [6, 10];
  const x = noise(rows * columns, 3);
  const shader = readShader(softmaxShader(columns));
  const textures = { t0: pack(rows, columns, 2, x) };
  const report = reportShader(shader, { width: 3, height: 2, uniforms: {}, textures });
  for (let r = 0; r < rows; r++) {
    const row = x.subarray(r * columns, (r + 1) * columns);
    const max = Math.max(...row);
    const sum = row.reduce((s, e) => s + Math.exp(e - max), 0);
    expect(report.outputs["o"]![r * 4]).toBe(max);
    expect(report.outputs["o"]![r * 4 + 1]).toBeCloseTo(sum, 5);
  }
  expect(report).toMatchObject({ outOfRangeFetches: 0, warnings: {} });
});

/** Philox4x32-10 (Salmon et al. 2011) in BigInt, the obvious way. */
function philox(counter: readonly number[], key: readonly number[]): number[] {
  const mask = 0xffffffffn;
  let [c0, c1, c2, c3] = counter.map(BigInt) as [bigint, bigint, bigint, bigint];
  let [k0, k1] = key.map(BigInt) as [bigint, bigint];
  for (let round = 0; round < 10; round++) {
    const [p, q] = [0xd2511f53n * c0, 0xcd9e8d57n * c2];
    [c0, c1, c2, c3] = [(q >> 32n) ^ c1 ^ k0, q & mask, (p >> 32n) ^ c3 ^ k1, p & mask];
    [k0, k1] = [(k0 + 0x9e3779b9n) & mask, (k1 + 0xbb67ae85n) & mask];
  }
  return [c0, c1, c2, c3].map(Number);
}

test("philox4x32-10 with 16-bit limbs", () => {
  const shader = readShader(philoxShader);
  const seed = [0x12345678, 0x9abcdef0 | 0];
  const { outputs } = reportShader(shader, { ...emptyInputs, width: 5, height: 3, uniforms: { seed } });
  const key = seed.map((word) => word >>> 0);
  for (let y = 0; y < 3; y++) {
    for (let x = 0; x < 5; x++) {
      const at = (y * 5 + x) * 4;
      expect(Array.from(outputs["o"]!.subarray(at, at + 4))).toEqual(philox([x, y, 7, 0xffffffff], key));
    }
  }
});

test("philox of the known answer", () => {
  // Random123's kat_vectors: philox4x32 10 of zero counter and key.
  expect(philox([0, 0, 0, 0], [0, 0])).toEqual([0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
});
