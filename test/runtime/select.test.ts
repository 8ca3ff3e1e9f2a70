/**
 * Which device is chosen, and the one line that says why it is not the one hoped for.
 */
import { afterEach, describe, expect, test, vi } from "vitest";
import { platform } from "#platform";
import { DeviceError } from "../../src/ir/errors.ts";
import { selectDevice } from "../../src/runtime/select.ts";
import { stubCapabilities, stubGl } from "../support/recording-gl.ts";

const { gl } = stubGl();
const broken = { ...stubCapabilities, floatRender: false, renderer: "Old Chip" };

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

const failing = () =>
  vi.spyOn(platform, "createContext").mockReturnValue({ ok: false, reason: "no driver", fix: "install one" });

describe("selectDevice", () => {
  test("takes WebGL2 where it works, on a context of the caller or its own", () => {
    vi.stubEnv("TEXGRAD_DEVICE", "");
    const make = vi.spyOn(platform, "createContext");
    expect(selectDevice({ gl, capabilities: stubCapabilities }).name).toBe("webgl");
    expect(make).not.toHaveBeenCalled();
    make.mockReturnValue({ ok: true, gl, how: "stub", destroy: () => {} });
    const device = selectDevice({ capabilities: stubCapabilities, budget: 12_345 });
    expect(device.name).toBe("webgl");
    expect(device.readsSynchronously).toBe(true);
    expect(device.memory().budget).toBe(12_345);
  });

  test("asks for no context when the cpu is wanted, by option or environment", () => {
    const make = vi.spyOn(platform, "createContext");
    expect(selectDevice({ device: "cpu" }).name).toBe("cpu");
    vi.stubEnv("TEXGRAD_DEVICE", "cpu");
    expect(selectDevice().name).toBe("cpu");
    expect(make).not.toHaveBeenCalled();
  });

  test("falls back to the cpu with one line, said once", () => {
    vi.stubEnv("TEXGRAD_DEVICE", "auto");
    failing();
    const warn = vi.spyOn(platform, "warn").mockImplementation(() => {});
    expect(selectDevice().name).toBe("cpu");
    expect(selectDevice().name).toBe("cpu");
    expect(warn.mock.calls).toEqual([["no WebGL2: no driver; to fix it: install one. Using the cpu device."]]);
  });

  test("makes the same line an error where webgl is required", () => {
    failing();
    vi.stubEnv("TEXGRAD_DEVICE", "webgl");
    expect(() => selectDevice()).toThrow(new DeviceError("no WebGL2: no driver; to fix it: install one"));
    expect(() => selectDevice({ device: "webgl", gl, capabilities: broken })).toThrow(
      /this context \(Old Chip\) cannot draw to 32-bit float textures/,
    );
  });

  test("frees a context that cannot do what is needed", () => {
    const destroy = vi.fn<() => void>();
    vi.spyOn(platform, "createContext").mockReturnValue({ ok: true, gl, how: "stub", destroy });
    vi.spyOn(platform, "warn").mockImplementation(() => {});
    expect(selectDevice({ device: "auto", capabilities: broken }).name).toBe("cpu");
    expect(destroy).toHaveBeenCalledOnce();
  });

  test("refuses a name that is none", () => {
    vi.stubEnv("TEXGRAD_DEVICE", "gpu");
    expect(() => selectDevice()).toThrow("TEXGRAD_DEVICE=gpu: takes auto, webgl, cpu");
  });
});
