/**
 * Static counts of a shader, for tests that hold how big a kernel is (fetches, loops, uniforms) without running it.
 */
import { expressionsOf, operandsOf, statementsOf, type Expression, type Shader, type Statement } from "./ast.ts";

export interface ShaderCounts {
  /** Non-empty lines of source. */
  readonly lines: number;
  readonly characters: number;
  /** Functions besides main. */
  readonly functions: number;
  readonly loops: number;
  /** Loops around loops: 0 without any, 1 for a single one. */
  readonly loopDepth: number;
  readonly branches: number;
  /** texelFetch and textureLod in the source, each once however often a loop runs it. */
  readonly fetches: number;
  readonly texelFetches: number;
  readonly sampled: number;
  readonly samplers: number;
  readonly uniforms: number;
  /** As GL counts them towards MAX_FRAGMENT_UNIFORM_VECTORS without packing: one a scalar or vector, n an array. */
  readonly uniformVectors: number;
  readonly outputs: number;
}

interface Tally {
  loops: number;
  loopDepth: number;
  branches: number;
  texelFetches: number;
  sampled: number;
}

function tallyExpression(e: Expression, tally: Tally): void {
  if (e.kind === "fetch") tally[e.how === "texelFetch" ? "texelFetches" : "sampled"]++;
  for (const operand of operandsOf(e)) tallyExpression(operand, tally);
}

function tallyStatement(s: Statement, depth: number, tally: Tally): void {
  if (s.kind === "if") tally.branches++;
  if (s.kind === "for") {
    tally.loops++;
    tally.loopDepth = Math.max(tally.loopDepth, depth + 1);
  }
  for (const e of expressionsOf(s)) tallyExpression(e, tally);
  for (const inner of statementsOf(s)) tallyStatement(inner, s.kind === "for" ? depth + 1 : depth, tally);
}

export function countShader(shader: Shader): ShaderCounts {
  const tally: Tally = { loops: 0, loopDepth: 0, branches: 0, texelFetches: 0, sampled: 0 };
  for (const fn of [...shader.functions, shader.main]) tallyStatement(fn.body, 0, tally);
  return {
    ...tally,
    lines: shader.source.split("\n").filter((line) => line.trim() !== "").length,
    characters: shader.source.length,
    functions: shader.functions.length,
    fetches: tally.texelFetches + tally.sampled,
    samplers: shader.samplers.length,
    uniforms: shader.uniforms.length,
    uniformVectors: shader.uniforms.reduce((n, u) => n + (u.type === "mat4" ? 4 : 1) * (u.length ?? 1), 0),
    outputs: shader.outputs.length,
  };
}
