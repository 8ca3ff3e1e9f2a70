/** Random expressions: the interpreter against the values the generator found (see random-expressions.ts). */
import fc from "fast-check";
import { expect, test } from "vitest";
import { readShader } from "../../tools/glsl/read.ts";
import { reportShader } from "../../tools/glsl/run.ts";
import { typeOf, type Base } from "../../tools/glsl/types.ts";
import { declarations, expression, uniforms } from "./random-expressions.ts";
import { emptyInputs, expressionShader } from "./shaders.ts";

test.each<[Base, number]>([
  ["float", 1],
  ["float", 4],
  ["int", 1],
  ["int", 3],
  ["uint", 1],
  ["uint", 4],
  ["bool", 1],
  ["bool", 2],
])("random expressions of %s x %d", (base, size) => {
  const type = typeOf(base, size);
  fc.assert(
    fc.property(expression(base, size, 4), ({ text, value }) => {
      const shader = readShader(expressionShader(type, text, declarations));
      const { outputs } = reportShader(shader, { ...emptyInputs, uniforms });
      expect(Array.from(outputs["o"]!).slice(0, size)).toEqual(value);
    }),
    { numRuns: 60, seed: 7 },
  );
});
