/**
 * Small shaders for the tests of the GLSL reader: a head that declares every precision, and the value of an expression.
 */
import { readShader } from "../../tools/glsl/read.ts";
import { reportShader, type RunReport, type ShaderInputs } from "../../tools/glsl/run.ts";
import { baseOf, sizeOf, type ValueType } from "../../tools/glsl/types.ts";

export const head = `#version 300 es
precision highp float;
precision highp int;
precision highp sampler2DArray;
precision highp isampler2DArray;
precision highp usampler2DArray;
`;

/** A whole shader with one vec4 output `o`: what stands before main, and main's body. */
export const shaderOf = (before: string, body: string): string => `${head}${before}
out vec4 o;
void main() {
${body}
}
`;

const outputOf = { float: "vec4", int: "ivec4", uint: "uvec4", bool: "ivec4" } as const;

/** A shader whose output holds the components of an expression (bools as 0 and 1), the rest zero. */
export function expressionShader(type: ValueType, text: string, before = ""): string {
  const output = outputOf[baseOf(type)];
  const size = sizeOf(type);
  const parts = Array.from({ length: 4 }, (_, i) => (i >= size ? "0" : size === 1 ? "r" : `r.${"xyzw"[i]}`));
  return `${head}${before}
out ${output} o;
void main() {
  ${type} r = ${text};
  o = ${output}(${parts.join(", ")});
}
`;
}

export const emptyInputs: ShaderInputs = { width: 1, height: 1, uniforms: {}, textures: {} };

/** Runs the expression on one fragment. */
export function reportExpression(type: ValueType, text: string, before = ""): RunReport {
  return reportShader(readShader(expressionShader(type, text, before)), emptyInputs);
}

/** The components of the expression. */
export function evaluate(type: ValueType, text: string, before = ""): readonly number[] {
  return [...reportExpression(type, text, before).outputs["o"]!].slice(0, sizeOf(type));
}
