/** What a refused shader looks like, for the forms in which drivers complain. */
import { describe, expect, test } from "vitest";
import { shaderError } from "../../src/runtime/shader-error.ts";

const source = Array.from({ length: 20 }, (_, i) => (i === 9 ? "  o0 = vec4(colour);" : `  line ${i + 1};`)).join("\n");
const shown = (log: string | null): string[] =>
  shaderError("fragment shader", log, source, () => "  writes 3: relu").message.split("\n");

describe("a shader error", () => {
  test.each([
    ["ANGLE", "ERROR: 0:10: 'colour' : undeclared identifier\n\0"],
    ["NVIDIA", '0(10) : error C1008: undefined variable "colour"'],
    ["Mesa", "0:10(13): error: `colour' undeclared"],
  ])("as %s writes it has a caret under the guilty word", (_, log) => {
    const lines = shown(log);
    expect(lines[0]).toMatch(/^internal: the fragment shader does not compile: .*(undeclared|undefined)/);
    const at = lines.findIndex((l) => l.startsWith("10 | "));
    expect(lines[at]).toBe("10 |   o0 = vec4(colour);");
    expect(lines[at + 1]!.indexOf("^")).toBe(lines[at]!.indexOf("colour"));
    // Four lines around it, and the kernel.
    expect(lines.some((l) => l.startsWith(" 6 | "))).toBe(true);
    expect(lines.some((l) => l.startsWith(" 5 | "))).toBe(false);
    expect(lines.at(-1)).toBe("  writes 3: relu");
  });

  test("without a line shows the whole source", () => {
    expect(shown("out of registers").filter((l) => / \| /.test(l)).length).toBe(20);
    expect(shown(null)[0]).toMatch(/the driver does not say why$/);
    expect(shown("")[0]).toMatch(/the driver does not say why$/);
  });
});
