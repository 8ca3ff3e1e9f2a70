/**
 * Plans on real GL, made by hand: addresses as GL sees them, many targets, numbers, copies, what is kept, and what
 * happens when something fails half-way.
 */
import { describe, expect, test } from "vitest";
import type { DeviceBuffer, Executable, RunArguments } from "../../src/ir/device.ts";
import { hostArray, type HostArray } from "../../src/ir/dtype.ts";
import { numbers } from "../../src/ir/indexing.ts";
import { addressOf, layoutBytes, makeLayout, type Layout } from "../../src/ir/layout.ts";
import { numel } from "../../src/ir/shape.ts";
import { createWebglDevice, type WebglDevice, type WebglOptions } from "../../src/runtime/device.ts";
import { headlessGl } from "../support/gl.ts";
import { handPlan, keptNode, layout, limits, type HandPlan } from "../support/plans.ts";

const gl = headlessGl();
const deviceWith = (options: WebglOptions = {}): WebglDevice =>
  createWebglDevice(gl, { readsSynchronously: true, poison: true, ...options });
const device = deviceWith();

const load = (plan: HandPlan, on: WebglDevice = device): Executable => {
  const made = handPlan(plan);
  return on.load(made.plan, made.programs);
};

const run = (exe: Executable, args: Partial<RunArguments>): readonly DeviceBuffer[] =>
  exe.run({ leaves: [], uniforms: [], outputs: [], ...args });

const values = (b: DeviceBuffer | undefined): number[] => [...b!.readSync()];

const iota = (n: number, from = 0): Float32Array => Float32Array.from({ length: n }, (_, i) => from + i);

describe("the address function on GL", () => {
  const cases: readonly Layout[] = [
    layout([7, 13]),
    layout([33, 130], { split: { dim: 0, R: 8 } }),
    layout([13, 10], { split: { dim: 0, R: 4 } }),
    layout([3, 5, 9], { split: { dim: 1, R: 2 } }),
    layout([300]),
    layout([2, 5, 3, 3], { columns: [1] }),
    makeLayout(
      [2, 300],
      [
        { dim: 0, div: 1, extent: 2, outermost: true },
        { dim: 1, div: 256, extent: 2, outermost: true },
      ],
      [{ dim: 1, div: 1, extent: 256, outermost: false }],
      0,
      2,
      limits,
    )!,
  ];

  test.each(cases.map((l) => [l.text, l] as const))("%s", (_, source) => {
    // One row for each element: where the numeric address function says it lies. The kernel fetches from there.
    const size = numel(source.shape);
    const table = new Int32Array(size * 4);
    for (let i = 0; i < size; i++) {
      const at = source.shape.map((extent, d) => Math.floor(i / numel(source.shape.slice(d + 1))) % extent);
      const { x, y, layer, lane } = addressOf(numbers, source, at);
      table.set([x, y, layer, lane], i * 4);
    }
    const list = layout([size, 4]);
    const exe = load({
      buffers: [{ layout: source }, { dtype: "i32", layout: list }, { layout: list }],
      kernels: [
        {
          loads: [0, 1],
          stores: [2],
          body: `  ivec4 place = texelFetch(t1, ivec3(at, 0), 0);
  vec4 texel = texelFetch(t0, place.xyz, 0);
  o0 = vec4(place.w == 0 ? texel.x : place.w == 1 ? texel.y : place.w == 2 ? texel.z : texel.w);`,
        },
      ],
      leaves: [0, 1],
      roots: [2],
    });
    const [out] = run(exe, { leaves: [iota(size, 1), table] });
    expect(values(out).filter((_, i) => i % 4 === 0)).toEqual([...iota(size, 1)]);
    out!.release();
    exe.dispose();
    expect(gl.getError()).toBe(gl.NO_ERROR);
  });
});

describe("targets", () => {
  test("two stores of four layers each are eight targets of one draw", () => {
    const split = layout([8, 4], { split: { dim: 0, R: 4 } });
    const exe = load({
      buffers: [{ layout: split }, { layout: split }, { layout: split }],
      kernels: [
        {
          loads: [0],
          stores: [1, 2],
          body: [0, 1, 2, 3]
            .map((i) => `  o${i} = texelFetch(t0, ivec3(at, ${i}), 0) + 0.5; o${i + 4} = -o${i};`)
            .join("\n"),
        },
      ],
      leaves: [0],
      roots: [1, 2],
    });
    const [sum, negated] = run(exe, { leaves: [iota(32)] });
    expect(values(sum)).toEqual([...iota(32, 0.5)]);
    expect(values(negated)).toEqual([...iota(32, 0.5)].map((x) => -x));
    for (const b of [sum, negated]) b!.release();
    exe.dispose();
  });

  test.each([1, 4, 8] as const)("a root that is a leaf is copied, with %i targets a draw", (maxDrawBuffers) => {
    const own = deviceWith({ maxDrawBuffers });
    for (const dtype of ["f32", "i32", "u32", "bool"] as const) {
      const split = layout([13, 6], { split: { dim: 0, R: 8 } });
      const exe = load({ buffers: [{ dtype, layout: split }], kernels: [], leaves: [0], roots: [0, 0] }, own);
      const array = hostArray(dtype, 78).map((_, i) => (dtype === "bool" ? i % 2 : i * 0x1234567)) as HostArray;
      const outputs = run(exe, { leaves: [array] });
      for (const b of outputs) expect(b.readSync()).toEqual(array);
      expect(exe.stats.draws).toBe((2 * 8) / maxDrawBuffers);
      for (const b of outputs) b.release();
      exe.dispose();
    }
    own.dispose();
  });
});

describe("numbers", () => {
  const square = layout([4, 4]);
  const sum: HandPlan = {
    buffers: [{ layout: square }],
    kernels: [
      {
        loads: [],
        stores: [0],
        numbers: [
          { kind: "uniform", uniform: 0, dtype: "f32" },
          { kind: "uniform", uniform: 1, dtype: "i32" },
          { kind: "count", value: 7, dtype: "f32" },
          { kind: "uniform", uniform: 2, dtype: "u32" },
          { kind: "uniform", uniform: 3, dtype: "bool" },
        ],
        extents: [3, 5],
        body: "  o0 = vec4(u[0].x, float(n[0].x), u[0].y * u[0].z, float(uint(n[0].y) >> 8) + float(e[0].x * e[0].y));",
      },
    ],
    leaves: [],
    roots: [0],
  };

  test("reach the shader by their dtypes, and anew in each run", () => {
    const exe = load(sum);
    const first = run(exe, { uniforms: [0.1, -3, 0xffffff00, 1] });
    expect(values(first[0]).slice(0, 4)).toEqual([Math.fround(0.1), -3, 7, 0xffffff + 15]);
    const second = run(exe, { uniforms: [-0, 2.9, 256, 0], outputs: first });
    expect(second[0]).toBe(first[0]);
    expect(values(second[0]).slice(0, 4)).toEqual([-0, 2, 0, 16]);
    first[0]!.release();
    exe.dispose();
  });

  test("of two plans with one program do not mix", () => {
    const [a, b] = [load(sum), load(sum)];
    expect(a.stats.programs).toBe(1);
    const before = device.counters.programs;
    const x = run(a, { uniforms: [1, 1, 0, 1] })[0]!;
    const y = run(b, { uniforms: [2, 2, 0, 1] })[0]!;
    run(a, { uniforms: [1, 1, 0, 1], outputs: [x] });
    expect(values(x)[0]).toBe(1);
    expect(values(y)[0]).toBe(2);
    expect(device.counters.programs).toBe(before);
    for (const b of [x, y]) b.release();
    for (const exe of [a, b]) exe.dispose();
  });
});

describe("what a plan owns", () => {
  const square = layout([8, 8]);
  const plusOne = "  o0 = texelFetch(t0, ivec3(at, 0), 0) + 1.0;";
  /** leaf 0 -> 1 -> 2 -> 3 -> root 4; each adds one. */
  const chain = (kept: readonly number[]): HandPlan => ({
    buffers: [0, 1, 2, 3, 4].map(() => ({ layout: square })),
    kernels: [0, 1, 2, 3].map((i) => ({ loads: [i], stores: [i + 1], body: plusOne })),
    leaves: [0],
    roots: [4],
    kept,
  });
  const bytes = layoutBytes(square);

  test("intermediates nobody can name take turns", () => {
    const exe = load(chain([]));
    expect(exe.stats).toEqual({ draws: 4, programs: 1, bytes: 2 * bytes });
    const [out] = run(exe, { leaves: [iota(64)] });
    expect(values(out)).toEqual([...iota(64, 4)]);
    out!.release();
    exe.dispose();
  });

  test("kept values live until the next run, also beside later kernels", () => {
    const exe = load(chain([1, 2, 4]));
    expect(exe.kept().size).toBe(0);
    expect(exe.stats.bytes).toBe(3 * bytes);
    const [out] = run(exe, { leaves: [iota(64)] });
    const kept = exe.kept();
    expect([...kept.keys()]).toEqual([keptNode(1), keptNode(2)]);
    expect(values(kept.get(keptNode(1)))).toEqual([...iota(64, 1)]);
    expect(values(kept.get(keptNode(2)))).toEqual([...iota(64, 2)]);
    out!.release();
    exe.dispose();
    expect(exe.kept().size).toBe(0);
  });

  test("a plan may read what it kept itself", () => {
    const exe = load(chain([1]));
    let [out] = run(exe, { leaves: [iota(64)] });
    for (let i = 0; i < 3; i++) {
      const own = exe.kept().get(keptNode(1))!;
      [out] = run(exe, { leaves: [own], outputs: [out!] });
      expect(values(out)).toEqual([...iota(64, 5 + i)]);
    }
    out!.release();
    exe.dispose();
  });

  test("a host array is sent once while it is the same one", () => {
    const exe = load(chain([]));
    const array = iota(64);
    const { counters } = device;
    const before = counters.uploads;
    // The poison of a test device is an upload too: sent by sent, without it.
    const plain = deviceWith({ poison: false });
    const own = load(chain([]), plain);
    let [out] = run(own, { leaves: [array] });
    expect(plain.counters.uploads).toBe(1);
    [out] = run(own, { leaves: [array], outputs: [out!] });
    expect(plain.counters.uploads).toBe(1);
    [out] = run(own, { leaves: [iota(64, 10)], outputs: [out!] });
    expect(plain.counters.uploads).toBe(2);
    expect(values(out)).toEqual([...iota(64, 14)]);
    expect(counters.uploads).toBe(before);
    plain.dispose();
    exe.dispose();
  });

  test("memory is the same after every step from the second on", () => {
    const own = deviceWith();
    const exe = load(chain([2]), own);
    let previous = own.upload(iota(64), "f32", [8, 8], square.text);
    let spare: DeviceBuffer | null = null;
    const seen: number[] = [];
    for (let step = 0; step < 6; step++) {
      const [next] = run(exe, { leaves: [previous], outputs: [spare] });
      spare = previous;
      previous = next!;
      seen.push(own.memory().bytes);
    }
    expect(values(previous)).toEqual([...iota(64, 24)]);
    expect(new Set(seen).size).toBe(1);
    own.dispose();
    expect(own.memory()).toMatchObject({ bytes: 0 });
  });

  test("nothing is drawn, read or stored for no elements", () => {
    const none = layout([0, 4]);
    const exe = load({
      buffers: [{ layout: none }, { layout: none }, { layout: square }],
      kernels: [
        { loads: [0], stores: [1], body: plusOne },
        {
          loads: [0],
          stores: [2],
          body: "  o0 = vec4(e[0].x) + (e[0].x > 0 ? texelFetch(t0, ivec3(0), 0) : vec4(0));",
          extents: [0],
        },
      ],
      leaves: [0],
      roots: [1, 2, 0],
    });
    expect(exe.stats.draws).toBe(1);
    const [empty, zeros, copy] = run(exe, { leaves: [new Float32Array(0)] });
    expect(values(empty)).toEqual([]);
    expect(values(copy)).toEqual([]);
    expect(values(zeros)).toEqual([...iota(64)].map(() => 0));
    for (const b of [empty, zeros, copy]) b!.release();
    exe.dispose();
  });
});

describe("when something fails", () => {
  const square = layout([8, 8]);
  const bytes = layoutBytes(square);
  const one = (body: string): HandPlan => ({
    buffers: [{ layout: square }, { layout: square }, { layout: square }],
    kernels: [
      { loads: [0], stores: [1], body },
      { loads: [1], stores: [2], body },
    ],
    leaves: [0],
    roots: [2],
    kept: [1],
  });
  const copy = "  o0 = texelFetch(t0, ivec3(at, 0), 0);";

  test("a shader that does not compile is shown with its kernel, and nothing is left behind", () => {
    const before = device.memory();
    const exe = load(one("  vec4 x = texelFetch(t0, ivec3(at, 0), 0);\n  o0 = x + colour;"));
    let message = "";
    try {
      run(exe, { leaves: [iota(64)] });
    } catch (error) {
      message = String(error);
    }
    expect(message).toMatch(/InvariantError: internal: the fragment shader does not compile: .*colour/);
    const lines = message.split("\n");
    const guilty = lines.findIndex((l) => /^\s*\d+ \|.*colour/.test(l));
    expect(lines[guilty + 1]!.indexOf("^")).toBe(lines[guilty]!.indexOf("colour"));
    expect(message).toContain("from the kernel");
    expect(message).toContain("writes 1: b1");
    exe.dispose();
    expect(device.memory().buffers).toBe(before.buffers);
  });

  test("a failed run publishes nothing and may be repeated", () => {
    const own = deviceWith();
    const exe = load(one(copy), own);
    const wrong = own.upload(iota(4), "f32", [2, 2], layout([2, 2]).text);
    const { buffers } = own.memory();
    expect(() => run(exe, { leaves: [wrong] })).toThrow(/\[2,2\].* was bound where the plan has f32 \[8,8\]/);
    expect(own.memory().buffers).toBe(buffers);
    const [out] = run(exe, { leaves: [iota(64)] });
    expect(values(out)).toEqual([...iota(64)]);
    own.dispose();
  });

  test("reaching the budget frees unused textures, then idle plans, then names the budget", () => {
    // Room for the leaf, the intermediate and the output of one plan, and one more.
    const own = deviceWith({ budget: 4 * bytes });
    const [a, b] = [load(one(copy), own), load(one(copy), own)];
    const [first] = run(a, { leaves: [iota(64)] });
    expect(a.kept().size).toBe(1);
    first!.release();
    const [second] = run(b, { leaves: [iota(64, 1)] });
    expect(values(second)).toEqual([...iota(64, 1)]);
    expect(a.kept().size).toBe(0);
    expect(own.memory().bytes).toBeLessThanOrEqual(4 * bytes);
    // Plan a works again, at the cost of plan b.
    const [third] = run(a, { leaves: [iota(64, 2)] });
    expect(values(third)).toEqual([...iota(64, 2)]);
    expect(values(second)).toEqual([...iota(64, 1)]);
    const held = [second, third];
    expect(() => {
      for (let i = 0; i < 4; i++) held.push(own.upload(iota(64), "f32", [8, 8], square.text));
    }).toThrow(/\d+ bytes needed and \d+ bytes in use, the budget is \d+ bytes.*raise the device's budget/);
    expect(own.memory().bytes).toBe(4 * bytes);
    own.dispose();
  });

  test("a plan whose kept value is read is not asked for its textures", () => {
    const own = deviceWith({ budget: 5 * bytes });
    const [a, b] = [load(one(copy), own), load(one(copy), own)];
    const [first] = run(a, { leaves: [iota(64, 3)] });
    const kept = a.kept().get(keptNode(1))!;
    const [second] = run(b, { leaves: [kept] });
    expect(values(second)).toEqual([...iota(64, 3)]);
    expect(values(kept)).toEqual([...iota(64, 3)]);
    first!.release();
    own.dispose();
  });

  test("what no texture can hold is refused before anything is drawn, with the limit", () => {
    const own = deviceWith({ maxTextureSize: 64, budget: 10_000 });
    expect(() => own.checkFits("zeros", "f32", [64, 64, 5])).toThrow(
      /^zeros: f32\[64,64,5\] needs at least 5120 texels, this context allows 64 x 64 \(MAX_TEXTURE_SIZE\)$/,
    );
    expect(() => own.checkFits("zeros", "f32", [64, 64])).toThrow(
      /^zeros: f32\[64,64\] needs 16384 bytes, the device's budget is 10000/,
    );
    own.checkFits("zeros", "f32", [16, 16]);
    own.checkFits("zeros", "f32", [0, 100_000]);
    own.dispose();
  });
});
