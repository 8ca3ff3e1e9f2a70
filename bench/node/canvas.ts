/** What hand-written shaders need of GL: textures of four columns a texel, and draws that are checked once. */
import type { GlProgram, GlTexture, WebGL2 } from "../../src/runtime/gl-types.ts";
import type { HandWritten } from "./hand-written.ts";

/** `height` rows of `width` texels in each of its layers. */
export interface Texture {
  readonly texture: GlTexture;
  readonly width: number;
  readonly height: number;
  readonly layers: number;
}

export interface KernelText {
  readonly name: string;
  readonly inputs: readonly Texture[];
  readonly output: Texture;
  /** The body of main: reads t0, t1, writes o0 up to one for each layer of the output. */
  readonly main: string;
  /** Element i as it is read, layer by layer; undefined where it does not matter. */
  readonly expected: (i: number) => number | undefined;
}

/** A kernel, and its draw without the wait. */
export interface Kernel extends HandWritten {
  issue(): void;
}

const vertex = `#version 300 es
void main() { gl_Position = vec4(vec2(float((gl_VertexID & 1) << 2), float((gl_VertexID & 2) << 1)) - 1.0, 0.0, 1.0); }`;

export class Canvas {
  readonly #gl: WebGL2;
  readonly #pixel = new Float32Array(4);

  constructor(gl: WebGL2) {
    this.#gl = gl;
    gl.bindVertexArray(gl.createVertexArray());
  }

  /** `rows` over all layers. */
  texture(width: number, rows: number, layers: number, values: Float32Array | null = null): Texture {
    const gl = this.#gl;
    const texture = gl.createTexture()!;
    const height = rows / layers;
    gl.activeTexture(gl.TEXTURE0 + 7);
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, texture);
    for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) {
      gl.texParameteri(gl.TEXTURE_2D_ARRAY, name, gl.NEAREST);
    }
    gl.texStorage3D(gl.TEXTURE_2D_ARRAY, 1, gl.RGBA32F, width, height, layers);
    if (values !== null) {
      gl.texSubImage3D(gl.TEXTURE_2D_ARRAY, 0, 0, 0, 0, width, height, layers, gl.RGBA, gl.FLOAT, values);
    }
    return { texture, width, height, layers };
  }

  /** Compiles, draws once and compares some thousand elements with what they must be. */
  kernel({ name, inputs, output, main, expected }: KernelText): Kernel {
    const gl = this.#gl;
    const program = this.#program(main, output.layers);
    const framebuffer = gl.createFramebuffer();
    gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
    const attachments = Array.from({ length: output.layers }, (_, i) => gl.COLOR_ATTACHMENT0 + i);
    attachments.forEach((at, i) => gl.framebufferTextureLayer(gl.FRAMEBUFFER, at, output.texture, 0, i));
    gl.drawBuffers(attachments);
    const issue = (): void => {
      gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
      gl.viewport(0, 0, output.width, output.height);
      gl.useProgram(program);
      inputs.forEach(({ texture }, i) => {
        gl.activeTexture(gl.TEXTURE0 + i);
        gl.bindTexture(gl.TEXTURE_2D_ARRAY, texture);
      });
      gl.drawArrays(gl.TRIANGLES, 0, 3);
    };
    issue();
    this.#check(name, this.#read(output), expected);
    const made = this.sequence(name, [{ issue }]);
    return { ...made, issue };
  }

  /** Several draws, the last of which is waited for. */
  sequence(name: string, kernels: readonly Pick<Kernel, "issue">[]): HandWritten {
    const gl = this.#gl;
    const draw = (): void => {
      for (const { issue } of kernels) issue();
      gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.FLOAT, this.#pixel);
    };
    return { name, draw };
  }

  #program(main: string, targets: number): GlProgram {
    const gl = this.#gl;
    const outputs = Array.from({ length: targets }, (_, i) => `layout(location = ${i}) out vec4 o${i};`).join("\n");
    const fragment = `#version 300 es
precision highp float; precision highp int; precision highp sampler2DArray;
uniform sampler2DArray t0, t1;
${outputs}
void main() {
${main}
}`;
    const program = gl.createProgram()!;
    for (const [type, text] of [
      [gl.VERTEX_SHADER, vertex],
      [gl.FRAGMENT_SHADER, fragment],
    ] as const) {
      const shader = gl.createShader(type)!;
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(`${gl.getShaderInfoLog(shader)}\n${text}`);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    gl.useProgram(program);
    for (const unit of [0, 1]) gl.uniform1i(gl.getUniformLocation(program, `t${unit}`), unit);
    return program;
  }

  #read({ texture, width, height, layers }: Texture): Float32Array {
    const gl = this.#gl;
    const size = 4 * width * height;
    const all = new Float32Array(size * layers);
    gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
    for (let i = 0; i < layers; i++) {
      gl.framebufferTextureLayer(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, texture, 0, i);
      gl.readPixels(0, 0, width, height, gl.RGBA, gl.FLOAT, all.subarray(size * i, size * (i + 1)));
    }
    return all;
  }

  #check(name: string, got: Float32Array, expected: KernelText["expected"]): void {
    for (let i = 0; i < got.length; i += Math.max(1, Math.floor(got.length / 997))) {
      const want = expected(i);
      // As limits.mjs holds its own.
      if (want === undefined || Math.abs(got[i]! - want) <= 1e-3 * Math.max(1, Math.abs(want))) continue;
      throw new Error(`${name}: element ${i} is ${got[i]}, must be ${want}`);
    }
  }
}
