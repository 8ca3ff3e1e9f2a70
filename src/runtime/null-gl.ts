/**
 * A WebGL2 context that draws nothing and counts what it is asked for. Textures keep what was sent to them until
 * something would be drawn there; what was never computed reads as NaN (integers: 0), so that nobody takes it for a result.
 *
 * Constants and calls are made up as they are asked for: to the runtime it is a context like any other.
 */
import type { GlData, WebGL2 } from "./gl-types.ts";

export interface GlTally {
  draws: number;
  /** Programs linked. */
  programs: number;
  /** Textures made. */
  allocations: number;
  /** Bytes of all textures that exist, and the most there were. */
  bytes: number;
  peakBytes: number;
}

class NullTexture {
  bytes = 0;
  layerLength = 0;
  /** What was sent; null once something was drawn. */
  sent: GlData | null = null;
}

interface Attached {
  readonly texture: NullTexture;
  readonly layer: number;
}

type Arguments = readonly unknown[];

/** Numbers far enough from each other that TEXTURE0 + 1 is no other constant. */
const GAP = 1000;

export function nullGl(): { readonly gl: WebGL2; readonly tally: GlTally } {
  const tally: GlTally = { draws: 0, programs: 0, allocations: 0, bytes: 0, peakBytes: 0 };
  /** What is bound to each unit. */
  const units = new Map<number, NullTexture | null>();
  let unit = 0;
  let framebuffer: Attached[] = [];
  const constants = new Map<string, number>([["NO_ERROR", 0]]);
  const constant = (name: string): number => {
    if (!constants.has(name)) constants.set(name, constants.size * GAP);
    return constants.get(name)!;
  };

  const calls: Record<string, (...args: Arguments) => unknown> = {
    getExtension: () => null,
    getError: () => 0,
    getParameter: () => null,
    isContextLost: () => false,
    getShaderParameter: () => true,
    getProgramParameter: () => true,
    getUniformLocation: () => ({}),
    checkFramebufferStatus: () => constant("FRAMEBUFFER_COMPLETE"),
    createTexture: () => new NullTexture(),
    createFramebuffer: (): Attached[] => [],
    activeTexture: (to) => void (unit = to as number),
    bindTexture: (_, texture) => void units.set(unit, texture as NullTexture | null),
    bindFramebuffer: (_, to) => void (framebuffer = (to ?? []) as Attached[]),
    framebufferTextureLayer: (...[, , texture, , layer]) =>
      void framebuffer.push({ texture: texture as NullTexture, layer: layer as number }),
    texStorage3D(...[, , , width, height, layers]) {
      const [w, h, n] = [width, height, layers] as [number, number, number];
      const texture = units.get(unit)!;
      texture.layerLength = w * h * 4;
      texture.bytes = w * h * n * 16;
      tally.allocations++;
      tally.bytes += texture.bytes;
      tally.peakBytes = Math.max(tally.peakBytes, tally.bytes);
    },
    // The caller's array is scratch memory.
    texSubImage3D: (...args) => void (units.get(unit)!.sent = (args.at(-1) as GlData).slice()),
    deleteTexture(texture) {
      if (texture instanceof NullTexture) tally.bytes -= texture.bytes;
    },
    linkProgram: () => void tally.programs++,
    drawArrays() {
      tally.draws++;
      for (const { texture } of framebuffer) texture.sent = null;
    },
    readPixels(...args) {
      const into = args.at(-1) as GlData;
      const { texture, layer } = framebuffer[0]!;
      if (texture.sent === null) into.fill(into instanceof Float32Array ? NaN : 0);
      else into.set(texture.sent.subarray(layer * texture.layerLength, (layer + 1) * texture.layerLength));
    },
  };

  const gl = new Proxy(calls, {
    get(target, name) {
      if (typeof name !== "string") return undefined;
      if (/^[A-Z][A-Z0-9_]*$/.test(name)) return constant(name);
      if (name === "canvas") return undefined;
      return (target[name] ??= name.startsWith("create") ? () => ({}) : () => undefined);
    },
  });
  return { gl: gl as unknown as WebGL2, tally };
}
