/**
 * Counts what a page asks of WebGL: draws, programs linked, and the bytes of textures and buffers that live at once.
 * Runs in the page before everything else; it is self-contained because its text is what travels there.
 */
export interface GlCounts {
  draws: number;
  programs: number;
  bytes: number;
  peakBytes: number;
}

export function countGl(): void {
  const counts: GlCounts = { draws: 0, programs: 0, bytes: 0, peakBytes: 0 };
  Object.assign(globalThis, { glCounts: counts });
  const gl = WebGL2RenderingContext.prototype;
  const owned = new WeakMap<object, number>();

  const take = (object: object | null, bytes: number): void => {
    if (object === null) return;
    counts.bytes += bytes - (owned.get(object) ?? 0);
    owned.set(object, bytes);
    counts.peakBytes = Math.max(counts.peakBytes, counts.bytes);
  };
  /** Calls `seen` with the context and the arguments of every call of a method. */
  const watch = (name: string, seen: (gl: WebGL2RenderingContext, args: readonly unknown[]) => void): void => {
    const original: unknown = Reflect.get(gl, name);
    if (typeof original !== "function") throw new Error(`WebGL2 has no ${name}`);
    Reflect.set(gl, name, function (this: WebGL2RenderingContext, ...args: unknown[]): unknown {
      seen(this, args);
      return Reflect.apply(original, this, args);
    });
  };

  for (const name of ["drawArrays", "drawElements", "drawArraysInstanced", "drawElementsInstanced"]) {
    watch(name, () => counts.draws++);
  }
  watch("linkProgram", () => counts.programs++);

  const channels: Record<number, number> = {
    [gl.RED]: 1, [gl.RED_INTEGER]: 1, [gl.RG]: 2, [gl.RGB]: 3, [gl.RGBA]: 4, [gl.RGBA_INTEGER]: 4, [gl.LUMINANCE]: 1, [gl.ALPHA]: 1,
  }; // prettier-ignore
  const sizes: Record<number, number> = {
    [gl.R8]: 1, [gl.RGBA8]: 4, [gl.R16F]: 2, [gl.RG16F]: 4, [gl.RGBA16F]: 8, [gl.R32F]: 4, [gl.RG32F]: 8,
    [gl.RGBA32F]: 16, [gl.R32I]: 4, [gl.R32UI]: 4, [gl.RGBA32I]: 16, [gl.RGBA32UI]: 16, [gl.DEPTH_COMPONENT16]: 2,
    [gl.DEPTH24_STENCIL8]: 4, [gl.STENCIL_INDEX8]: 1,
  }; // prettier-ignore
  /** Bytes of a texel; formats without a size have that of their type. */
  const texelBytes = (internal: number, type: number): number =>
    sizes[internal] ?? (channels[internal] ?? 4) * (type === gl.UNSIGNED_BYTE ? 1 : type === gl.HALF_FLOAT ? 2 : 4);

  const bound = (context: WebGL2RenderingContext, target: number): WebGLTexture | null => {
    const binding = target === gl.TEXTURE_2D_ARRAY ? gl.TEXTURE_BINDING_2D_ARRAY : gl.TEXTURE_BINDING_2D;
    return context.getParameter(binding) as WebGLTexture | null;
  };
  type Numbers = readonly number[];
  watch("texStorage2D", (context, args) => {
    const [target, , internal, width, height] = args as Numbers;
    take(bound(context, target!), texelBytes(internal!, gl.FLOAT) * width! * height!);
  });
  watch("texStorage3D", (context, args) => {
    const [target, , internal, width, height, depth] = args as Numbers;
    take(bound(context, target!), texelBytes(internal!, gl.FLOAT) * width! * height! * depth!);
  });
  watch("texImage2D", (context, args) => {
    // The form with a canvas or an image has six arguments; no engine stores tensors by it.
    if (args.length < 9) return;
    const [target, , internal, width, height, , , type] = args as Numbers;
    take(bound(context, target!), texelBytes(internal!, type!) * width! * height!);
  });
  watch("texImage3D", (context, args) => {
    const [target, , internal, width, height, depth, , , type] = args as Numbers;
    take(bound(context, target!), texelBytes(internal!, type!) * width! * height! * depth!);
  });
  watch("renderbufferStorage", (context, [, internal, width, height]) => {
    const buffer = context.getParameter(gl.RENDERBUFFER_BINDING) as WebGLRenderbuffer | null;
    take(buffer, texelBytes(internal as number, gl.FLOAT) * (width as number) * (height as number));
  });
  watch("bufferData", (context, [target, data]) => {
    const bindings: Record<number, number> = {
      [gl.ARRAY_BUFFER]: gl.ARRAY_BUFFER_BINDING,
      [gl.ELEMENT_ARRAY_BUFFER]: gl.ELEMENT_ARRAY_BUFFER_BINDING,
      [gl.PIXEL_PACK_BUFFER]: gl.PIXEL_PACK_BUFFER_BINDING,
      [gl.PIXEL_UNPACK_BUFFER]: gl.PIXEL_UNPACK_BUFFER_BINDING,
      [gl.UNIFORM_BUFFER]: gl.UNIFORM_BUFFER_BINDING,
    };
    const buffer = context.getParameter(bindings[target as number]!) as WebGLBuffer | null;
    take(buffer, typeof data === "number" ? data : ((data as ArrayBufferLike | null)?.byteLength ?? 0));
  });
  for (const name of ["deleteTexture", "deleteRenderbuffer", "deleteBuffer"]) {
    watch(name, (_, [object]) => take(object as object | null, 0));
  }
}
