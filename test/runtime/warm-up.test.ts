/**
 * Compiling ahead: a fresh device that has read a manifest compiles nothing in its first steps, does the driver's share
 * of the work between two turns of the event loop, and makes nothing of a manifest that is another's.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { F, manualSeed, nn, optim, programManifest, setDevice, tensor, warmUp, type ProgramManifest } from "texgrad";
import { createCpuDevice } from "../../src/runtime/cpu/device.ts";
import { createWebglDevice, type WebglDevice } from "../../src/runtime/device.ts";
import { headlessGl } from "../support/gl.ts";
import { stubCapabilities, stubGl } from "../support/recording-gl.ts";

const fresh = (): WebglDevice => createWebglDevice(headlessGl(), { readsSynchronously: true });

/** Losses of three steps of a small network with a convolution, integers and two layers. */
async function train(): Promise<readonly number[]> {
  manualSeed(7);
  const net = new nn.Sequential(new nn.Conv2d(1, 4, 3), new nn.ReLU(), new nn.Flatten(), new nn.Linear(4 * 36, 5));
  const optimizer = new optim.Adam(net.parameters(), { lr: 0.01 });
  const x = tensor(
    Float32Array.from({ length: 3 * 64 }, (_, i) => Math.sin(i)),
    { shape: [3, 1, 8, 8] },
  );
  const y = tensor([1, 4, 0], { dtype: "i32" });
  const losses: number[] = [];
  for (let i = 0; i < 3; i++) {
    const loss = F.crossEntropy(net.forward(x), y);
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    losses.push(await loss.item());
  }
  return losses;
}

let recorded: { readonly manifest: ProgramManifest; readonly losses: readonly number[] };

beforeAll(async () => {
  const device = fresh();
  setDevice(device);
  const losses = await train();
  // As it comes back from a file.
  recorded = { manifest: JSON.parse(JSON.stringify(programManifest())) as ProgramManifest, losses };
  expect(recorded.manifest.programs.length).toBe(device.counters.programs);
});

describe("a fresh device that warmed up", () => {
  test("compiles nothing in a training, and computes the same bits", async () => {
    const device = fresh();
    setDevice(device);
    const count = recorded.manifest.programs.length;
    expect(await warmUp(recorded.manifest)).toEqual({ compiled: count, known: 0, refused: 0, ignored: null });
    expect(device.counters.programs).toBe(count);
    // Every draw was one that GL took: formats, samplers and targets agree.
    expect(device.gl.getError()).toBe(device.gl.NO_ERROR);
    expect(await train()).toEqual(recorded.losses);
    expect(device.counters.programs).toBe(count);
    expect(await warmUp(recorded.manifest)).toEqual({ compiled: 0, known: count, refused: 0, ignored: null });
  });

  test("may train meanwhile", async () => {
    setDevice(fresh());
    const [, losses] = await Promise.all([warmUp(recorded.manifest), train()]);
    expect(losses).toEqual(recorded.losses);
  });

  test("leaves out what the driver refuses", async () => {
    const device = fresh();
    setDevice(device);
    const [first, ...others] = recorded.manifest.programs;
    const broken = { ...first!, source: first!.source.replace("void main() {", "void main() { nonsense;") };
    const { length } = others;
    expect(await warmUp({ ...recorded.manifest, programs: [broken, ...others] })).toEqual({
      compiled: length,
      known: 0,
      refused: 1,
      ignored: null,
    });
    expect(await train()).toEqual(recorded.losses);
    // The one refused and the one it stood for.
    expect(device.counters.programs).toBe(length + 2);
  });
});

describe("a manifest", () => {
  test("names the version of the package", async () => {
    const { default: packageJson } = await import("../../package.json", { with: { type: "json" } });
    expect(recorded.manifest.texgrad).toBe(packageJson.version);
  });

  test("of another version or renderer does nothing, and it is said why", async () => {
    const device = fresh();
    setDevice(device);
    const { manifest } = recorded;
    expect((await warmUp({ ...manifest, texgrad: "0.0.7" })).ignored).toMatch(/is of texgrad 0\.0\.7, this is \d/);
    const other = await warmUp({ ...manifest, renderer: "Voodoo 2" });
    expect(other.ignored).toBe(`the manifest is for Voodoo 2, here draws ${device.capabilities.renderer}`);
    expect(device.counters.programs).toBe(0);
  });

  test("of the cpu device is empty, and there nothing is to be compiled", async () => {
    setDevice(createCpuDevice());
    expect(programManifest()).toMatchObject({ renderer: "cpu", programs: [] });
    expect((await warmUp(recorded.manifest)).ignored).toBe("the cpu device compiles no programs");
  });

  test.each([null, {}, { texgrad: "1", renderer: "r", programs: [{ source: 3 }] }, "[]"])(
    "is not %j",
    async (wrong) => {
      setDevice(fresh());
      await expect(warmUp(wrong as unknown as ProgramManifest)).rejects.toThrow(
        /^warmUp: this is no manifest of programs/,
      );
    },
  );
});

describe("where the driver compiles on threads of its own", () => {
  test("all programs are handed over at once, and asked for between turns of the event loop", async () => {
    let turns = 0;
    let asked = 0;
    const COMPLETION_STATUS_KHR = 0x91b1;
    const stub = stubGl({
      getProgramParameter: (_program, name) => name !== COMPLETION_STATUS_KHR || (++asked, turns > 2),
    });
    const device = createWebglDevice(stub.gl, { capabilities: stubCapabilities, readsSynchronously: true });
    setDevice(device);
    const clock = setInterval(() => turns++, 1);
    stub.recording = true;
    const manifest = { ...recorded.manifest, renderer: "stub" };
    await warmUp(manifest);
    clearInterval(clock);
    const names = stub.calls.map((c) => c.slice(0, c.indexOf("(")));
    const count = manifest.programs.length;
    const asking = names.indexOf("getProgramParameter");
    expect(names.slice(0, asking).filter((n) => n === "linkProgram").length).toBe(count);
    expect(names.lastIndexOf("compileShader")).toBeLessThan(names.indexOf("linkProgram"));
    expect(turns).toBeGreaterThan(2);
    // Once more for each turn that it was not done.
    expect(asked).toBeGreaterThan(count);
    expect(device.counters.programs).toBe(count);
  });
});
