/**
 * The reader of the GLSL that texgrad emits: text in, typed Shader out. It needs no GPU and no driver, and refuses with
 * line, caret and reason whatever is outside of the subset, wrongly typed, or undefined on some path.
 */
import type { Shader } from "./ast.ts";
import { checkShader } from "./check.ts";
import { checkFlow } from "./flow.ts";
import { parseShader } from "./parse.ts";

/** Throws GlslError. */
export function readShader(source: string): Shader {
  const shader = checkShader(source, parseShader(source));
  checkFlow(shader);
  return shader;
}

export type { Shader } from "./ast.ts";
export { GlslError } from "./errors.ts";
