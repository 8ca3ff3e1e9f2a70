/** What the reader takes and what it refuses, with its reasons. */
import { describe, expect, test } from "vitest";
import { GlslError, readShader } from "../../tools/glsl/read.ts";
import { shaderOf } from "./shaders.ts";
import { accepted, refused } from "./subset.cases.ts";

function refusal(source: string): GlslError {
  try {
    readShader(source);
  } catch (error) {
    if (error instanceof GlslError) return error;
    throw error;
  }
  throw new Error(`accepted:\n${source}`);
}

test.each(accepted)("takes $name", ({ source }) => {
  expect(readShader(source).source).toBe(source);
});

test.each(refused)("refuses $name", ({ source, message }) => {
  expect(refusal(source).message).toContain(message);
});

describe("the place of an error", () => {
  test("is drawn below the guilty line", () => {
    const error = refusal(shaderOf("", "  float a = 1.0;\n  o = vec4(a + 1);\n  o.x = a;"));
    expect(error.message).toBe(
      [
        "Line 11, col 12:",
        "  10 |   float a = 1.0;",
        "> 11 |   o = vec4(a + 1);",
        "                  ^~~~~",
        "  12 |   o.x = a;",
        "no operation `float + int` (GLSL ES has no implicit conversions)",
      ].join("\n"),
    );
    expect([error.line, error.column]).toEqual([11, 12]);
  });

  test("is where ohm stopped, with what it expected", () => {
    const error = refusal(shaderOf("", "o = vec4(1.0)"));
    expect([error.line, error.column]).toEqual([11, 1]);
    expect(error.reason).toMatch(/^Expected .*";"/);
  });
});
