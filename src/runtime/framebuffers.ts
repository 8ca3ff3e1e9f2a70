/**
 * One framebuffer for each tuple of texture layers that is drawn to or read, made and checked once.
 *
 * A framebuffer is kept with the textures it is made of and dies with the first of them. Not here: which is bound.
 */
import { DeviceError } from "../ir/errors.ts";
import type { GlFramebuffer, WebGL2 } from "./gl-types.ts";
import type { GlState } from "./state.ts";
import type { Attachment, Texture } from "./textures.ts";

export class Framebuffers {
  readonly #gl: WebGL2;
  readonly #state: GlState;

  constructor(gl: WebGL2, state: GlState) {
    this.#gl = gl;
    this.#state = state;
  }

  /** Target i is layer `layers[i]` of `textures[i]`. The arrays may be the caller's scratch: they are copied. */
  of(textures: readonly Texture[], layers: readonly number[]): GlFramebuffer {
    for (const known of textures[0]!.attachments) {
      if (sameItems(known.textures, textures) && sameItems(known.layers, layers)) return known.framebuffer;
    }
    return this.#make({ textures: [...textures], layers: [...layers] }).framebuffer;
  }

  /** Deletes every framebuffer that `texture` is part of. */
  drop(texture: Texture): void {
    for (let attachment = texture.attachments.at(-1); attachment; attachment = texture.attachments.at(-1)) {
      for (const part of new Set(attachment.textures)) {
        part.attachments.splice(part.attachments.indexOf(attachment), 1);
      }
      this.#state.deleteFramebuffer(attachment.framebuffer);
    }
  }

  #make(parts: Omit<Attachment, "framebuffer">): Attachment {
    const gl = this.#gl;
    const framebuffer = gl.createFramebuffer();
    if (framebuffer === null) throw new DeviceError("framebuffer: the context gives none; it may be lost");
    this.#state.bindFramebuffer(framebuffer);
    const points = parts.textures.map((texture, i) => {
      const point = gl.COLOR_ATTACHMENT0 + i;
      gl.framebufferTextureLayer(gl.FRAMEBUFFER, point, texture.handle, 0, parts.layers[i]!);
      return point;
    });
    // A new framebuffer draws to its first attachment, and headless-gl's drawBuffers is not to be trusted with less.
    if (points.length > 1) gl.drawBuffers(points);
    const status = gl.checkFramebufferStatus(gl.FRAMEBUFFER);
    if (status !== gl.FRAMEBUFFER_COMPLETE) {
      this.#state.deleteFramebuffer(framebuffer);
      const sizes = parts.textures.map(({ bucket: b }) => `${b.format} ${b.width}x${b.height}x${b.layers}`);
      throw new DeviceError(
        `framebuffer: the context refuses ${sizes.join(", ")} as targets (0x${status.toString(16)})`,
      );
    }
    const made = { framebuffer, ...parts };
    for (const part of new Set(parts.textures)) part.attachments.push(made);
    return made;
  }
}

function sameItems<T>(a: readonly T[], b: readonly T[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
