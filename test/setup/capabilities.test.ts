/**
 * Capabilities are what was read back: on the real context all of them hold, and a context that lies is found out.
 */
import { platform } from "#platform";
import { afterAll, describe, expect, test } from "vitest";
import { probeCapabilities } from "../../src/runtime/capabilities.ts";
import type { GlData, WebGL2 } from "../../src/runtime/gl-types.ts";

const context = platform.createContext();
if (!context.ok) throw new Error(`${context.reason}. Fix: ${context.fix}`);
const { gl } = context;
afterAll(() => context.destroy());

/** The same context with some methods replaced. Methods keep their own `this`: headless-gl's are native. */
function withFault(fault: Partial<WebGL2>): WebGL2 {
  return new Proxy(gl, {
    get(target, name) {
      const value: unknown = Reflect.get(fault, name) ?? Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

describe("probeCapabilities", () => {
  test("reads eight right targets, exact floats and integers from a gl built by set-up", () => {
    expect(probeCapabilities(gl)).toMatchObject({
      maxDrawBuffers: 8,
      floatRender: true,
      intTextures: true,
      highpInt: true,
      fence: true,
    });
    expect(probeCapabilities(gl).maxTextureSize).toBeGreaterThanOrEqual(2048);
  });

  test("leaves the context as it was made", () => {
    const before = gl.getParameter(gl.VIEWPORT);
    probeCapabilities(gl);
    expect(gl.getParameter(gl.VIEWPORT)).toEqual(before);
    expect(gl.getError()).toBe(gl.NO_ERROR);
    const bindings = { CURRENT_PROGRAM: 0x8b8d, FRAMEBUFFER_BINDING: 0x8ca6, TEXTURE_BINDING_2D: 0x8069 };
    for (const [name, number] of Object.entries(bindings))
      expect([name, gl.getParameter(number)]).toEqual([name, null]);
  });

  test("clears errors left by others instead of taking them for its own", () => {
    gl.enable(0);
    expect(probeCapabilities(gl).maxDrawBuffers).toBe(8);
  });

  // headless-gl built with optimisation: the call fails and only the first target is ever written.
  test("finds out a context that writes the first target only", () => {
    const drawBuffers = (buffers: number[]): void => gl.drawBuffers(buffers.map((at, i) => (i === 0 ? at : gl.NONE)));
    expect(probeCapabilities(withFault({ drawBuffers }))).toMatchObject({ maxDrawBuffers: 1, floatRender: true });
  });

  test("finds out four targets where eight are claimed", () => {
    const drawBuffers = (buffers: number[]): void => gl.drawBuffers(buffers.map((at, i) => (i < 4 ? at : gl.NONE)));
    expect(probeCapabilities(withFault({ drawBuffers })).maxDrawBuffers).toBe(4);
  });

  // headless-gl's texImage2D does this to every integer array but Uint8Array.
  test("finds out integer uploads that arrive as zeros, and the detour by bytes", () => {
    const texSubImage3D: WebGL2["texSubImage3D"] = (...args) => {
      const data = args[10];
      if (data instanceof Int32Array || data instanceof Uint32Array) args[10] = new Uint8Array(data.byteLength);
      gl.texSubImage3D(...args);
    };
    const found = probeCapabilities(withFault({ texSubImage3D }));
    expect(found).toMatchObject({ intTextures: true, intUpload: "bytes", highpInt: true });
  });

  test("finds out float targets that round", () => {
    const readPixels: WebGL2["readPixels"] = (x, y, width, height, format, type, data: GlData | number | null) => {
      if (typeof data === "number") return;
      gl.readPixels(x, y, width, height, format, type, data);
      if (data instanceof Float32Array) data.forEach((value, i) => (data[i] = Math.round(value * 1024) / 1024));
    };
    expect(probeCapabilities(withFault({ readPixels })).floatRender).toBe(false);
  });

  test("says none rather than throwing where no shader compiles", () => {
    const found = probeCapabilities(withFault({ getProgramParameter: () => false }));
    expect(found).toMatchObject({ maxDrawBuffers: 1, floatRender: false, intUpload: "none", highpInt: false });
  });
});
