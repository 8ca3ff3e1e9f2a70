/**
 * Compiling ahead: the programs a session used, as JSON, and a fresh device that has them ready before its first step.
 *
 * A program's text is its key, so a manifest can be of use or not, never wrong. Drivers put part of the work off to the
 * first draw (Mesa's llvmpipe four fifths of it), and do it again for textures of another kind; so each program also
 * draws one fragment, reading textures that are like those it will read. Not here: where a manifest is kept.
 */
import { textureOf, type Layout } from "../ir/layout.ts";
import { DeviceError, FormatError, InvariantError } from "../ir/errors.ts";
import type { WebglDevice } from "./device.ts";
import type { GlFramebuffer, GlTexture, WebGL2 } from "./gl-types.ts";
import type { Linked, Program } from "./programs.ts";
import { transferOf, type TextureFormat } from "./textures.ts";
import { version } from "./version.ts";

/** The programs a session compiled. Plain JSON. */
export interface ProgramManifest {
  /** Version of texgrad that wrote it. */
  readonly texgrad: string;
  /** Who drew. */
  readonly renderer: string;
  readonly programs: readonly {
    /** GLSL ES 3.00. */
    readonly source: string;
    /** Of each kind of draw, what the textures are like: see `drawForm`. */
    readonly forms: readonly string[];
  }[];
}

export interface WarmUp {
  /** Programs that are ready now and were not before. */
  readonly compiled: number;
  /** Programs the device had already. */
  readonly known: number;
  /** Programs the driver refused: another driver may have taken them. */
  readonly refused: number;
  /** Why nothing was done; null where something was. */
  readonly ignored: string | null;
}

/**
 * What a driver may compile a program anew for: of each texture it reads, whether width and height are powers of two
 * ("p") or not ("n"), textures separated by blanks.
 */
export function drawForm(reads: readonly Layout[]): string {
  const kind = (n: number): string => ((n & (n - 1)) === 0 ? "p" : "n");
  return reads
    .map((layout) => {
      const { width, height } = textureOf(layout);
      return kind(width) + kind(height);
    })
    .join(" ");
}

export function manifestOf({ programs, capabilities: { renderer } }: WebglDevice): ProgramManifest {
  return {
    texgrad: version,
    renderer,
    programs: programs.all.map(({ source, forms }) => ({ source, forms: [...forms] })),
  };
}

/** Milliseconds of work between two looks at the event loop. */
const SLICE = 8;

/**
 * Has the device compile every program of the manifest, without keeping the thread: between two of them whatever waits in
 * the event loop has its turn, and where the driver compiles on threads of its own it is only asked whether it is done.
 * Throws FormatError if it is no manifest at all.
 */
export async function warmUpDevice(device: WebglDevice, manifest: ProgramManifest): Promise<WarmUp> {
  checkManifest(manifest);
  const none = { compiled: 0, known: 0, refused: 0 };
  const { renderer } = device.capabilities;
  if (manifest.texgrad !== version) {
    return { ...none, ignored: `the manifest is of texgrad ${manifest.texgrad}, this is ${version}` };
  }
  if (manifest.renderer !== renderer) {
    return { ...none, ignored: `the manifest is for ${manifest.renderer}, here draws ${renderer}` };
  }
  const { programs } = device;
  const missing = manifest.programs.filter(({ source }) => !programs.has(source));
  const stage = new Stage(device);
  let refused = 0;
  /** Prepares, or draws; what one driver compiled another may refuse, which is no reason to stop. */
  const attempt = <T>(f: () => T): T | null => {
    try {
      return f();
    } catch (error) {
      if (device.gl.isContextLost() || !(error instanceof InvariantError || error instanceof DeviceError)) throw error;
      refused++;
      return null;
    }
  };
  const prepare = ({ source, forms }: (typeof missing)[number]): Program | null => {
    const program = attempt(() => programs.prepare(source, () => "  (of a warm-up manifest)"));
    for (const form of forms) program?.forms.add(form);
    return program;
  };
  try {
    // At once where the driver has threads of its own; else one by one, because each stops this one.
    const atOnce = device.capabilities.parallelCompile ? missing.length : 1;
    for (let i = 0; i < missing.length; i += atOnce) {
      const batch = missing
        .slice(i, i + atOnce)
        .map(prepare)
        .filter((p) => p !== null);
      programs.linkAll();
      let since = performance.now();
      for (const program of batch) {
        while (device.capabilities.parallelCompile && !programs.isReady(program)) since = await pause();
        attempt(() => stage.draw(programs.link(program), program));
        if (performance.now() - since > SLICE) since = await pause();
      }
    }
  } finally {
    stage.strike();
  }
  programs.evict();
  return {
    compiled: missing.length - refused,
    known: manifest.programs.length - missing.length,
    refused,
    ignored: null,
  };
}

/** Lets the event loop have its turn; the time afterwards. */
const pause = (): Promise<number> => new Promise((resolve) => setTimeout(() => resolve(performance.now())));

/** Textures to read and to draw to, of one texel or few. */
class Stage {
  readonly #device: WebglDevice;
  readonly #gl: WebGL2;
  readonly #textures = new Map<string, GlTexture>();
  readonly #framebuffers = new Map<string, GlFramebuffer>();

  constructor(device: WebglDevice) {
    this.#device = device;
    this.#gl = device.gl;
  }

  /** Draws one fragment for each form the program was drawn in. */
  draw({ handle }: Linked, { source, forms }: Program): void {
    const gl = this.#gl;
    const reads = [...source.matchAll(/^uniform highp ([iu]?)sampler2DArray t\d+;/gm)].map((m) => formats[m[1]!]!);
    const targets = [...source.matchAll(/^layout\(location = \d+\) out ([iu]?)vec4/gm)].map((m) => formats[m[1]!]!);
    gl.useProgram(handle);
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.#framebuffer(targets[0] ?? "f32", targets.length));
    gl.viewport(0, 0, 1, 1);
    for (const form of forms.size === 0 ? [""] : forms) {
      const kinds = form.split(" ");
      // All made before any is bound: making one unbinds another.
      const textures = reads.map((format, unit) => this.#texture(format, kinds[unit] || "pp", LAYERS));
      textures.forEach((texture, unit) => {
        gl.activeTexture(gl.TEXTURE0 + unit);
        gl.bindTexture(gl.TEXTURE_2D_ARRAY, texture);
      });
      gl.drawArrays(gl.TRIANGLES, 0, 3);
    }
    // headless-gl refuses to delete an array texture that is bound.
    reads.forEach((_, unit) => {
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.bindTexture(gl.TEXTURE_2D_ARRAY, null);
    });
    this.#device.forgetState();
  }

  /** Frees what it made. */
  strike(): void {
    const gl = this.#gl;
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    for (const framebuffer of this.#framebuffers.values()) gl.deleteFramebuffer(framebuffer);
    for (const texture of this.#textures.values()) gl.deleteTexture(texture);
    this.#device.forgetState();
  }

  #texture(format: TextureFormat, kind: string, layers: number): GlTexture {
    const key = `${format} ${kind} ${layers}`;
    const known = this.#textures.get(key);
    if (known !== undefined) return known;
    const gl = this.#gl;
    const texture = gl.createTexture();
    if (texture === null) throw new DeviceError("texture: the context gives none; it may be lost");
    this.#textures.set(key, texture);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, texture);
    for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) {
      gl.texParameteri(gl.TEXTURE_2D_ARRAY, name, gl.NEAREST);
    }
    for (const name of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) {
      gl.texParameteri(gl.TEXTURE_2D_ARRAY, name, gl.CLAMP_TO_EDGE);
    }
    const [width, height] = [...kind].map((c) => (c === "n" ? 3 : 1));
    gl.texStorage3D(gl.TEXTURE_2D_ARRAY, 1, transferOf(gl, format).storage, width ?? 1, height ?? 1, layers);
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, null);
    return texture;
  }

  #framebuffer(format: TextureFormat, targets: number): GlFramebuffer {
    const key = `${format} ${targets}`;
    const known = this.#framebuffers.get(key);
    if (known !== undefined) return known;
    const gl = this.#gl;
    // A texture of its own: nothing may be read and drawn to at once.
    const texture = this.#texture(format, "target", targets);
    const framebuffer = gl.createFramebuffer();
    if (framebuffer === null) throw new DeviceError("framebuffer: the context gives none; it may be lost");
    this.#framebuffers.set(key, framebuffer);
    gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
    const points = Array.from({ length: targets }, (_, i) => gl.COLOR_ATTACHMENT0 + i);
    points.forEach((point, layer) => gl.framebufferTextureLayer(gl.FRAMEBUFFER, point, texture, 0, layer));
    if (targets > 1) gl.drawBuffers(points);
    return framebuffer;
  }
}

/** As many as a tile may have. */
const LAYERS = 8;

/** By the letter before `sampler` and `vec4`. */
const formats: Readonly<Record<string, TextureFormat>> = { "": "f32", i: "i32", u: "u32" };

function checkManifest(manifest: unknown): asserts manifest is ProgramManifest {
  const { texgrad, renderer, programs } = (manifest ?? {}) as Record<string, unknown>;
  const isProgram = (p: unknown): boolean => {
    const { source, forms } = (p ?? {}) as Record<string, unknown>;
    return typeof source === "string" && Array.isArray(forms) && forms.every((f) => typeof f === "string");
  };
  if (
    typeof texgrad === "string" &&
    typeof renderer === "string" &&
    Array.isArray(programs) &&
    programs.every(isProgram)
  )
    return;
  throw new FormatError(
    "warmUp: this is no manifest of programs; it takes what programManifest() gave, or JSON.parse of its JSON",
  );
}
