/**
 * The port of ir/device.ts, held to the same words on every device: WebGL, generated JavaScript, interpreted kernels.
 * Values are judged by the evaluator; that every op and graph is right is tested elsewhere.
 */
import { describe, expect, test } from "vitest";
import { gradientItems } from "../../src/autodiff/gradient.ts";
import type { CompileRequest, Device, DeviceBuffer, Executable, LeafSlot, RootSlot } from "../../src/ir/device.ts";
import type { HostArray } from "../../src/ir/dtype.ts";
import { evaluate } from "../../src/ir/eval.ts";
import { topologicalOrder } from "../../src/ir/graph.ts";
import type { Node } from "../../src/ir/node.ts";
import { crossEntropy, linear } from "../../src/ir/compose/index.ts";
import { add, cell, exp, input, mul, relu, sub, sum, uniform } from "../../src/ir/ops/index.ts";
import { numel, type Shape } from "../../src/ir/shape.ts";
import { createCpuDevice } from "../../src/runtime/cpu/device.ts";
import { createWebglDevice } from "../../src/runtime/device.ts";
import { headlessGl } from "../support/gl.ts";

let seed = 1;
const random = (): number => {
  seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
  return (seed >>> 8) / 2 ** 24 - 0.5;
};
const randoms = (shape: Shape, scale = 1): Float32Array =>
  Float32Array.from({ length: numel(shape) }, () => random() * scale);

const data = (shape: Shape, array: HostArray = randoms(shape)): Node => input({ kind: "input", array }, "f32", shape);
let cells = 0;
const parameter = (shape: Shape): Node =>
  cell({ kind: "cell", cell: { id: cells++, label: "p", shape, dtype: "f32" }, version: 0 });
const rate = (): Node => uniform({ kind: "uniform", read: () => 0 });

interface Request {
  readonly roots: readonly Node[];
  readonly leaves: readonly Node[];
  readonly uniforms?: readonly Node[];
  /** Of each root: the leaf it becomes the next version of. */
  readonly assigns?: readonly (number | null)[];
  readonly layouts?: readonly (string | null)[];
}

function compile(device: Device, r: Request): Executable {
  const stops = new Set(r.leaves);
  const request: CompileRequest = {
    order: topologicalOrder(r.roots, (n) => (stops.has(n) ? [] : n.inputs)),
    leaves: r.leaves.map((node, i): LeafSlot => ({ node, layout: r.layouts?.[i] ?? null })),
    uniforms: r.uniforms ?? [],
    roots: r.roots.map((node, i): RootSlot => {
      const leaf = r.assigns?.[i] ?? null;
      return { node, assigns: leaf === null ? null : { leaf, layout: r.layouts?.[leaf] ?? null } };
    }),
  };
  return device.compile(request);
}

const nulls = (n: number): null[] => Array.from({ length: n }, () => null);

function close(got: HostArray, wanted: ArrayLike<number>, tolerance = 1e-5): void {
  expect(got.length).toBe(wanted.length);
  const largest = Math.max(1e-30, ...Array.from(wanted, Math.abs));
  Array.from(got).forEach((x, i) => expect(Math.abs(x - wanted[i]!)).toBeLessThanOrEqual(tolerance * largest));
}

/** A two-layer net, its loss, and the next versions of its parameters. */
function training() {
  const [batch, inside, hidden, classes] = [13, 20, 24, 10];
  const p = [[hidden, inside], [hidden], [classes, hidden], [classes]].map(parameter);
  const x = data([batch, inside]);
  const labels = Int32Array.from({ length: batch }, (_, i) => i % classes);
  const y = input({ kind: "input", array: labels }, "i32", [batch]);
  const h = relu(linear(x, p[0]!, p[1]));
  const logits = linear(h, p[2]!, p[3]);
  const loss = crossEntropy(logits, y);
  const lr = rate();
  const g = gradientItems(loss, null, p);
  const roots = [loss, ...p.map((e, i) => sub(e, mul(g[i]!, lr)))];
  const leaves = [x, y, ...p];
  return { p, x, y, h, logits, loss, lr, roots, leaves, assigns: [null, 2, 3, 4, 5] };
}

describe.each([
  ["webgl", () => createWebglDevice(headlessGl(), { readsSynchronously: true, poison: true })],
  [
    "webgl, one target, textures of 64",
    () =>
      createWebglDevice(headlessGl(), {
        readsSynchronously: true,
        poison: true,
        maxDrawBuffers: 1,
        maxTextureSize: 64,
      }),
  ],
  ["cpu", () => createCpuDevice()],
  ["cpu, interpreted", () => createCpuDevice({ interpret: true })],
] as const)("%s", (_, make) => {
  const device: Device = make();

  test("trains a net as the evaluator does, in constant memory", () => {
    const t = training();
    const exe = compile(device, { roots: t.roots, leaves: t.leaves, uniforms: [t.lr], assigns: t.assigns });
    let host: ArrayLike<number>[] = t.p.map((e) => randoms(e.shape, 0.5));
    let current = host.map((a, i) => device.upload(a as Float32Array, "f32", t.p[i]!.shape, exe.leafLayouts[i + 2]!));
    let spare: (DeviceBuffer | null)[] = nulls(4);
    let loss: DeviceBuffer | null = null;
    const seen: number[] = [];
    const inputs = [t.x, t.y].map((n) => (n.source as { readonly array: HostArray }).array);
    for (let step = 0; step < 5; step++) {
      const lr = 0.5 / (step + 1);
      const bind = (n: Node): ArrayLike<number> | undefined =>
        n === t.lr ? [lr] : t.p.includes(n) ? host[t.p.indexOf(n)] : undefined;
      const wanted = evaluate(t.roots, { bind, mode: "f64" });
      const outputs: (DeviceBuffer | null)[] = [loss, ...spare];
      const made: readonly DeviceBuffer[] = exe.run({ leaves: [...inputs, ...current], uniforms: [lr], outputs });
      // What the run had no use for is still ours.
      outputs.forEach((b, i) => b !== made[i] && b?.release());
      made.forEach((b, i) => close(b.readSync(), wanted[i]!));
      loss = made[0]!;
      spare = current;
      current = made.slice(1);
      host = wanted.slice(1);
      seen.push(device.memory().bytes);
    }
    expect(new Set(seen.slice(2)).size).toBe(1);
    exe.dispose();
    for (const b of [loss, ...current, ...spare]) b!.release();
    expect(device.memory().buffers).toBe(0);
  });

  test("keeps what it stored of the traced graph, and a later plan goes on from there", () => {
    const t = training();
    const host = t.p.map((e) => randoms(e.shape, 0.5));
    const bind = (n: Node): ArrayLike<number> | undefined => (t.p.includes(n) ? host[t.p.indexOf(n)] : undefined);
    const inputs = [t.x, t.y].map((n) => (n.source as { readonly array: HostArray }).array);
    const forward = compile(device, { roots: [t.loss], leaves: t.leaves });
    const [loss] = forward.run({ leaves: [...inputs, ...host], uniforms: [], outputs: [null] });
    const kept = [...forward.kept()];
    expect(kept.length).toBeGreaterThan(0);
    const wanted = evaluate(
      kept.map(([n]) => n),
      { bind, mode: "f64" },
    );
    kept.forEach(([, b], i) => close(b.readSync(), wanted[i]!));
    // The backward pass reads the kept values instead of computing them again.
    const g = gradientItems(t.loss, null, t.p);
    const leaves = [...t.leaves, ...kept.map(([n]) => n)];
    const layouts = [...nulls(t.leaves.length), ...kept.map(([, b]) => b.layout)];
    const backward = compile(device, { roots: g, leaves, layouts });
    const grads = backward.run({
      leaves: [...inputs, ...host, ...kept.map(([, b]) => b)],
      uniforms: [],
      outputs: nulls(4),
    });
    evaluate(g, { bind, mode: "f64" }).forEach((want, i) => close(grads[i]!.readSync(), want));
    forward.dispose();
    expect(() => kept[0]![1].readSync()).toThrow(/given back/);
    for (const b of [loss!, ...grads]) b.release();
    backward.dispose();
    expect(device.memory().buffers).toBe(0);
  });

  test("gives a buffer of its own to every root: a leaf, one value twice", () => {
    const x = data([5, 6]);
    const y = exp(x);
    const exe = compile(device, { roots: [x, y, y, x], leaves: [x] });
    const array = randoms([5, 6]);
    const made = exe.run({ leaves: [array], uniforms: [], outputs: nulls(4) });
    expect(new Set(made).size).toBe(4);
    expect(made[0]!.readSync()).toEqual(array);
    expect(made[3]!.readSync()).toEqual(array);
    expect(made[1]!.readSync()).toEqual(made[2]!.readSync());
    made[1]!.release();
    close(made[2]!.readSync(), array.map(Math.exp));
    for (const b of made) b.release();
    exe.dispose();
  });

  test("writes given outputs in place and reads its own kept values", () => {
    const x = data([4, 8]);
    const y = parameter([4, 8]);
    const product = mul(exp(x), y);
    const total = sum(product, [0, 1]);
    const exe = compile(device, { roots: [product, total], leaves: [x, y] });
    const a = randoms([4, 8]);
    const b = randoms([4, 8]);
    const first = exe.run({ leaves: [a, b], uniforms: [], outputs: [null, null] });
    const second = exe.run({ leaves: [b, a], uniforms: [], outputs: first });
    expect([...second]).toEqual([...first]);
    close(
      first[0]!.readSync(),
      b.map((v, i) => Math.exp(v) * a[i]!),
    );
    for (const buffer of first) buffer.release();
    exe.dispose();
  });

  test("handles values of no elements", () => {
    const x = data([0, 3], new Float32Array(0));
    const p = parameter([3]);
    const exe = compile(device, { roots: [exp(x), add(sum(x, [0]), p)], leaves: [x, p] });
    const made = exe.run({
      leaves: [new Float32Array(0), new Float32Array([1, 2, 3])],
      uniforms: [],
      outputs: nulls(2),
    });
    expect(made[0]!.readSync()).toEqual(new Float32Array(0));
    expect(made[1]!.readSync()).toEqual(new Float32Array([1, 2, 3]));
    for (const b of made) b.release();
    exe.dispose();
  });

  test("refuses what is bound wrongly, and can be run again", () => {
    const x = data([3, 4]);
    const exe = compile(device, { roots: [exp(x)], leaves: [x] });
    const { buffers } = device.memory();
    expect(() => exe.run({ leaves: [new Float32Array(5)], uniforms: [], outputs: [null] })).toThrow(/5/);
    const [out] = exe.run({ leaves: [new Float32Array(12)], uniforms: [], outputs: [null] });
    expect([...out!.readSync()]).toEqual(new Array(12).fill(1));
    out!.release();
    expect(device.memory().buffers - buffers).toBeLessThanOrEqual(1);
    exe.dispose();
    exe.dispose();
    expect(() => exe.run({ leaves: [new Float32Array(12)], uniforms: [], outputs: [null] })).toThrow(/disposed/);
  });

  test("reads asynchronously what it reads synchronously", async () => {
    const x = data([7, 9]);
    const exe = compile(device, { roots: [exp(x)], leaves: [x] });
    const array = randoms([7, 9]);
    const [out] = exe.run({ leaves: [array], uniforms: [], outputs: [null] });
    const both = await Promise.all([out!.read(), out!.read()]);
    expect(both[0]).toEqual(out!.readSync());
    expect(both[1]).toEqual(both[0]);
    expect(both[0]).not.toBe(both[1]);
    out!.release();
    exe.dispose();
  });
});
