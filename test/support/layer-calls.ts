/** How the calls of test/fixtures/layers.json are made by `F`. */
import { F, type Tensor, type ValuesAndIndices } from "../../src/index.ts";
import type { Call } from "./fixture-case.ts";

type Size = never;

const convolution =
  (f: (x: Tensor, w: Tensor, b: Tensor | null, options: object) => Tensor): Call =>
  ([x, w, b], a) =>
    f(x!, w!, b ?? null, a);
const pool =
  (f: (x: Tensor, kernelSize: Size, options: object) => Tensor | ValuesAndIndices): Call =>
  ([x], a) =>
    f(x!, a["kernelSize"] as Size, a);
const adaptive =
  (f: (x: Tensor, outputSize: F.OutputSizes) => Tensor): Call =>
  ([x], a) =>
    f(x!, a["outputSize"] as F.OutputSizes);

export const layerCalls: Readonly<Record<string, Call>> = {
  layerNorm: ([x, w, b], a) => F.layerNorm(x!, a["normalizedShape"] as number[], w ?? null, b ?? null, a),
  groupNorm: ([x, w, b], a) => F.groupNorm(x!, a["numGroups"] as number, w ?? null, b ?? null, a),
  instanceNorm: ([x, w, b], a) => F.instanceNorm(x!, null, null, w ?? null, b ?? null, a),
  batchNorm: ([x, w, b], a) => F.batchNorm(x!, null, null, w ?? null, b ?? null, { ...a, training: true }),
  rmsNorm: ([x, w], a) => F.rmsNorm(x!, a["normalizedShape"] as number[], w ?? null, a),
  embedding: ([i, w], a) => F.embedding(i!, w!, a),
  scaledDotProductAttention: ([q, k, v, mask], a) =>
    F.scaledDotProductAttention(q!, k!, v!, { ...a, attnMask: mask ?? null }),
  conv1d: convolution(F.conv1d),
  conv2d: convolution(F.conv2d),
  conv3d: convolution(F.conv3d),
  convTranspose1d: convolution(F.convTranspose1d),
  convTranspose2d: convolution(F.convTranspose2d),
  convTranspose3d: convolution(F.convTranspose3d),
  avgPool1d: pool(F.avgPool1d),
  avgPool2d: pool(F.avgPool2d),
  avgPool3d: pool(F.avgPool3d),
  maxPool1d: pool(F.maxPool1dWithIndices),
  maxPool2d: pool(F.maxPool2dWithIndices),
  maxPool3d: pool(F.maxPool3dWithIndices),
  adaptiveAvgPool1d: adaptive(F.adaptiveAvgPool1d),
  adaptiveAvgPool2d: adaptive(F.adaptiveAvgPool2d),
  adaptiveAvgPool3d: adaptive(F.adaptiveAvgPool3d),
  adaptiveMaxPool1d: adaptive(F.adaptiveMaxPool1d),
  adaptiveMaxPool2d: adaptive(F.adaptiveMaxPool2d),
  adaptiveMaxPool3d: adaptive(F.adaptiveMaxPool3d),
};
