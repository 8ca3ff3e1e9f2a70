/**
 * Programs: handed to the driver together, asked for late, named when they are refused, and kept up to a limit. On a stub
 * context, which counts what it is told, but for what a real compiler says.
 */
import { describe, expect, test } from "vitest";
import type { Executable } from "../../src/ir/device.ts";
import { createWebglDevice, type WebglDevice, type WebglOptions } from "../../src/runtime/device.ts";
import { headlessGl } from "../support/gl.ts";
import { handPlan, layout, type HandPlan } from "../support/plans.ts";
import { constants, stubCapabilities, stubGl, type RecordingGl } from "../support/recording-gl.ts";

const square = layout([8, 8]);

/** A plan of one draw for each body, each reading what the one before wrote. */
const chain = (...bodies: readonly string[]): HandPlan => ({
  buffers: Array.from({ length: bodies.length + 1 }, () => ({ layout: square })),
  kernels: bodies.map((body, i) => ({ loads: [i], stores: [i + 1], body })),
  leaves: [0],
  roots: [bodies.length],
});

const times = (factor: number): string => `  o0 = texelFetch(t0, ivec3(at, 0), 0) * ${factor}.0;`;

const load = (device: WebglDevice, plan: HandPlan): Executable => {
  const made = handPlan(plan);
  return device.load(made.plan, made.programs);
};

const run = (exe: Executable): Float32Array =>
  exe.run({ leaves: [new Float32Array(64).fill(1)], uniforms: [], outputs: [null] })[0]!.readSync() as Float32Array;

interface Stubbed {
  readonly stub: RecordingGl;
  readonly device: WebglDevice;
  /** Names of the calls since the last time it was asked. */
  readonly calls: () => readonly string[];
}

function stubbed(options: WebglOptions = {}, answers: Parameters<typeof stubGl>[0] = {}): Stubbed {
  const stub = stubGl(answers);
  const device = createWebglDevice(stub.gl, { capabilities: stubCapabilities, readsSynchronously: true, ...options });
  stub.recording = true;
  const calls = (): readonly string[] => stub.calls.splice(0).map((c) => c.slice(0, c.indexOf("(")));
  return { stub, device, calls };
}

describe("programs of a plan", () => {
  test("are compiled first, then linked, and none is asked for before the plan runs", () => {
    const { device, calls } = stubbed();
    const exe = load(device, chain(times(2), times(3), times(4)));
    const submitted = calls().filter((n) => /^(compileShader|linkProgram|getProgram|getShader|getUniform)/.test(n));
    // One vertex shader for all.
    expect(submitted).toEqual([..."x".repeat(4)].map(() => "compileShader").concat(Array(3).fill("linkProgram")));
    exe.run({ leaves: [new Float32Array(64)], uniforms: [], outputs: [null] });
    const drawn = calls().filter((n) => n === "getProgramParameter" || n === "drawArrays");
    expect(drawn).toEqual([...Array(3).fill("getProgramParameter"), ...Array(3).fill("drawArrays")]);
    exe.run({ leaves: [new Float32Array(64)], uniforms: [], outputs: [null] });
    expect(calls()).not.toContain("getProgramParameter");
  });

  test("that one text stands for are one", () => {
    const { device } = stubbed();
    expect(load(device, chain(times(2), times(2), times(3))).stats.programs).toBe(2);
    load(device, chain(times(3), times(2)));
    expect(device.counters.programs).toBe(2);
  });

  test("are named where the driver refuses one, at every run", () => {
    const device = createWebglDevice(headlessGl(), { readsSynchronously: true });
    const exe = load(device, chain(times(2), "  o0 = texelFetch(t0, ivec3(at, 0), 0) + colour;"));
    for (let attempt = 0; attempt < 2; attempt++) {
      expect(() => run(exe)).toThrow(/does not compile: .*colour[^]*\| {3}o0 = .* \+ colour;[^]*writes 2: b2/);
    }
    exe.dispose();
    expect([...run(load(device, chain(times(2), times(3))))]).toEqual(Array(64).fill(6));
    device.dispose();
  });

  test("that the linker refuses are shown with what it says", () => {
    const { device } = stubbed(
      {},
      {
        getProgramParameter: (_program, name) => name !== constants.LINK_STATUS,
        getProgramInfoLog: () => "too many registers",
      },
    );
    expect(() => run(load(device, chain(times(2))))).toThrow(/the program does not compile: too many registers[^]*b1/);
  });

  test("longer than the device allows are refused before they are compiled", () => {
    const { device, calls } = stubbed({ maxProgramLength: 1000 });
    const long = Array.from({ length: 100 }, (_, i) => times(i).trim()).join("\n");
    expect(() => load(device, chain(long))).toThrow(
      /a program of \d{4} characters, this device allows 1000 \(option "maxProgramLength"\); realize\(x\)[^]*writes 1/,
    );
    expect(calls()).not.toContain("compileShader");
    load(device, chain(times(2)));
  });
});

describe("programs no plan uses", () => {
  test("stay for the next plan, up to the limit; the one asked for longest ago goes first", () => {
    const { device, calls } = stubbed({ maxPrograms: 3 });
    const used = load(device, chain(times(1)));
    const use = (factor: number): void => load(device, chain(times(factor))).dispose();
    for (const factor of [2, 3, 2, 4]) use(factor);
    // 3 has gone: 2 was asked for after it.
    expect(device.counters).toMatchObject({ programs: 4, evictedPrograms: 1 });
    use(2);
    expect(device.counters.programs).toBe(4);
    use(3);
    expect(device.counters).toMatchObject({ programs: 5, evictedPrograms: 2 });
    expect(calls().filter((n) => n === "deleteProgram").length).toBe(2);
    used.dispose();
  });

  test("go first: what plans use stays, however much it is", () => {
    const { device } = stubbed({ maxPrograms: 2 });
    const exe = load(device, chain(...[1, 2, 3, 4].map(times)));
    run(exe);
    load(device, chain(times(5))).dispose();
    expect(device.counters).toMatchObject({ programs: 5, evictedPrograms: 1 });
    run(exe);
    expect(device.counters.programs).toBe(5);
    exe.dispose();
    expect(device.counters.evictedPrograms).toBe(3);
  });
});
