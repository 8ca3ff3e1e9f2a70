/**
 * Shaders inside and outside of the subset, as data. `refusedBy: "glsl"` are errors for every GLSL ES 3.00 compiler (the
 * GL test holds that); `"subset"` are legal GLSL that texgrad does not emit, or that only our reader notices.
 */
import { head, shaderOf } from "./shaders.ts";

export interface Accepted {
  readonly name: string;
  readonly source: string;
}

export interface Refused {
  readonly name: string;
  readonly source: string;
  /** Part of the message. */
  readonly message: string;
  readonly refusedBy: "glsl" | "subset";
}

const accept = (name: string, body: string, before = ""): Accepted => ({ name, source: shaderOf(before, body) });
const glsl = (name: string, body: string, message: string, before = ""): Refused => ({
  name,
  source: shaderOf(before, body),
  message,
  refusedBy: "glsl",
});
const subset = (name: string, body: string, message: string, before = ""): Refused => ({
  ...glsl(name, body, message, before),
  refusedBy: "subset",
});
const whole = (name: string, source: string, message: string, refusedBy: "glsl" | "subset"): Refused => ({
  name,
  source,
  message,
  refusedBy,
});

const write = "o = vec4(0.0);";

export const accepted: readonly Accepted[] = [
  accept("nothing but an output", write),
  accept("comments of both kinds", `// one\n/* two\n */ ${write} // three`),
  accept("several declarators, one without a value", "vec4 a = vec4(1.0), b; b = a; o = b;"),
  accept("swizzled assignment, component by component", "o.x = 1.0; o.yz = vec2(2.0); o.a = 3.0;"),
  accept(
    "a local assigned on both sides",
    "float a; if (gl_FragCoord.x < 1.0) { a = 1.0; } else a = 2.0; o = vec4(a);",
  ),
  accept("compound assignments", "o = vec4(1.0); o += 1.0; o.xy *= vec2(2.0); o -= o; o /= 2.0;"),
  accept("integer compound assignments", "int a = 5; a %= 3; a <<= 1u; a >>= 1; a &= 6; a |= 1; a ^= 2; o = vec4(a);"),
  accept(
    "a loop to a uniform",
    "float s = 0.0; for (int i = 0; i < n; i++) s += float(i); o = vec4(s);",
    "uniform int n;",
  ),
  accept("a loop by steps", "int s = 0; for (int i = 2; i < 20; i += 3) { s += i; } o = vec4(s);"),
  accept(
    "loops in loops",
    "int s = 0; for (int i = 0; i < 3; ++i) for (int j = 0; j < i; j++) { s += j; } o = vec4(s);",
  ),
  accept("shadowing in an inner scope", "int a = 1; { float a = 2.0; o = vec4(a); }"),
  accept("uniform arrays", "o = u[3]; for (int i = 0; i < 12; i++) o += u[i];", "uniform vec4 u[12];"),
  accept("several uniforms in a line", "o = vec4(a, b, c[1], d.x);", "uniform float a, b, c[2]; uniform highp vec2 d;"),
  accept(
    "global constants of constants",
    "o = k * two;",
    "const float two = 2.0; const vec4 k = vec4(two, 1e-3, .5, 1.), l = k;",
  ),
  accept("local constants", "const int n = 4 * 2; for (int i = 0; i < n; i++) { } o = vec4(n);"),
  accept("constants by built-in functions", write, "const float k = max(sqrt(2.0), 1.0);"),
  accept(
    "functions that call functions",
    "o = vec4(twice(square(3.0)));",
    "float square(float x) { return x * x; }\nfloat twice(float x) { return square(x) + square(x); }",
  ),
  accept("overloads by type", "o = f(vec4(f(1.0)));", "float f(float x) { return x; }\nvec4 f(vec4 x) { return x; }"),
  accept("returns on both sides", "o = vec4(f(1));", "float f(int i) { if (i < 0) return -1.0; else { return 1.0; } }"),
  accept("an early return from main", "o = vec4(1.0); if (gl_FragCoord.y < 2.0) return; o = vec4(2.0);"),
  accept("parameters may be assigned", "o = vec4(f(1.0));", "float f(float x) { x += 1.0; return x; }"),
  accept(
    "hexadecimal and unsigned literals",
    "uint a = 0x9E3779B9u, b = 4294967295u; int c = 0xFFFFFFFF, d = -2147483648; o = vec4(a + b, c, d, 0);",
  ),
  accept("choice", "o = gl_FragCoord.x < 3.0 && gl_FragCoord.y >= 2.0 || !true ? vec4(1.0) : vec4(2.0);"),
  accept("shifts of mixed sign", "ivec4 a = ivec4(1) << uvec4(2u); int b = 8 >> 1u; o = vec4(a) + float(b);"),
  accept("selection by bvec", "o = mix(vec4(0.0), vec4(1.0), lessThan(vec4(gl_FragCoord.xyxy), vec4(1.0)));"),
  accept(
    "mat4 of columns",
    "vec4 a = vec4(1.0); mat4 m = mat4(a, a, a, a); o = m * a + a * m + (m * m + m) * a + (2.0 * m) * a;",
  ),
  accept(
    "integer samplers",
    "o = vec4(texelFetch(a, ivec3(0), 0)) + vec4(texelFetch(b, ivec3(0), 0));",
    "uniform isampler2DArray a; uniform usampler2DArray b;",
  ),
  accept(
    "nearest samples",
    "o = textureLod(t, vec3(gl_FragCoord.xy * vec2(0.25), 0.0), 0.0);",
    "uniform sampler2DArray t;",
  ),
  accept(
    "words that look like keywords",
    "float format = 1.0, iff = 2.0, dot2 = 3.0, int_ = 4.0, location = 5.0; o = vec4(format, iff, dot2, int_ + location);",
  ),
  accept("built-in names as locals", "float max = 1.0, mix = 2.0; o = vec4(max + mix);"),
  accept("minus minus with a space", "float a = 1.0; o = vec4(a - -a);"),
  {
    name: "four outputs in any order",
    source: `${head}layout(location = 1) out ivec4 b;\nlayout(location = 0) out highp vec4 a;\nlayout(location = 3) out uvec4 d;\nlayout(location = 2) out vec4 c;\nvoid main() { a = vec4(0.0); b = ivec4(0); c = a; d = uvec4(0u); }`,
  },
  {
    name: "precision by qualifier alone",
    source:
      "#version 300 es\nuniform highp sampler2DArray t;\nout highp vec4 o;\nvoid main() { highp vec4 a = texelFetch(t, ivec3(0), 0); o = a; }",
  },
];

export const refused: readonly Refused[] = [
  // Types.
  glsl("int + float", "o = vec4(1 + 1.0);", "no operation `int + float`"),
  glsl("int to float", "float a = 1;", "the value of `a` must be float, this is int"),
  glsl("uint + int", "uint a = 1u + 1;", "no operation `uint + int`"),
  glsl("vec4 * int", "o = vec4(1.0) * 2;", "no operation `vec4 * int`"),
  glsl("vec2 + vec3", "o = vec4(vec2(1.0) + vec3(1.0), 0.0, 0.0);", "no operation `vec2 + vec3`"),
  glsl("% of floats", "float a = 1.0 % 2.0;", "no operation `float % float`"),
  glsl("& of floats", "float a = 1.0 & 2.0;", "no operation `float & float`"),
  glsl("scalar shifted by a vector", "ivec2 a = 1 << ivec2(1);", "no operation `int << ivec2`"),
  glsl("comparison of vectors", "bool a = vec2(1.0) < vec2(2.0);", "no operation `vec2 < vec2`"),
  glsl("&& of ints", "bool a = 1 && 2;", "no operation `int && int`"),
  glsl("! of an int", "bool a = !1;", "no operation `!int`"),
  glsl("~ of a float", "float a = ~1.0;", "no operation `~float`"),
  glsl("minus of a bool", "bool a = -true;", "no operation `-bool`"),
  glsl("an int condition", "if (1) o = vec4(0.0);", "the condition of `if` must be bool, this is int"),
  glsl(
    "a vector condition",
    "o = bvec2(true) ? vec4(0.0) : vec4(1.0);",
    "the condition of ?: must be bool, this is bvec2",
  ),
  glsl("?: of two types", "o = vec4(true ? 1 : 1.0);", "the two sides of ?: are int and float"),
  glsl("assignment of another type", "o = vec3(1.0);", "what is assigned to `o` must be vec4, this is vec3"),
  glsl("assignment to a swizzle", "o.xy = 1.0;", "what is assigned to `o.xy` must be vec2, this is float"),
  glsl(
    "compound assignment that grows",
    "float a = 1.0; a += vec2(1.0);",
    "what is assigned to `a` must be float, this is vec2",
  ),
  glsl("too few components", "o = vec4(1.0, 2.0);", "vec4 has 4 components, the arguments have 2: (float, float)"),
  glsl("no argument left to use", "vec2 a = vec2(1.0, 2.0, 3.0);", "vec2 has 2 components, the arguments have 3"),
  subset(
    "a last argument partly used",
    "vec3 a = vec3(1.0, vec4(0.0));",
    "vec3 has 3 components, the arguments have 5",
  ),
  glsl("a vector too short", "o = vec4(vec3(1.0));", "vec4 has 4 components, the arguments have 3"),
  glsl("no component w", "vec3 a = vec3(1.0); float b = a.w;", "`.w`: vec3 has no component w"),
  glsl("mixed swizzle sets", "o = vec4(1.0).xgxg;", "`.xgxg` is no swizzle"),
  subset("texture swizzle letters", "o = vec4(1.0).stpq;", "`.stpq` is no swizzle"),
  glsl("a scalar's component", "float a = 1.0; float b = a.x;", "`.x`: float has no components"),
  glsl("a component written twice", "o.xx = vec2(1.0);", "`.xx` names a component twice"),
  glsl(
    "min of int and float",
    "float a = min(1, 2.0);",
    "no `min` takes (int, float); there is min(genFType, genFType), min(genFType, float)",
  ),
  glsl("mix of ints", "int a = mix(1, 2, true);", "no `mix` takes (int, int, bool)"),
  glsl(
    "lessThan of scalars",
    "bool a = any(lessThan(1.0, 2.0));",
    "no `lessThan` takes (float, float); there is lessThan(vec, vec)",
  ),
  glsl("exp of an int", "float a = exp(1);", "no `exp` takes (int); there is exp(genFType)"),
  glsl(
    "a wrong argument of a function",
    "o = vec4(f(1.0));",
    "no `f` takes (float); there is f(int)",
    "float f(int i) { return 1.0; }",
  ),
  glsl("an index that is no int", "o = u[1.0];", "an index must be int, this is float", "uniform vec4 u[2];"),
  glsl("an index past the array", "o = u[2];", "index 2 is outside of `u`, an array of 2", "uniform vec4 u[2];"),
  glsl("a float loop limit", "for (int i = 0; i < 4.0; i++) { }", "the limit of a loop must be int, this is float"),
  glsl("an array as a value", "o = u;", "`u` is an array of 2: index it", "uniform vec4 u[2];"),
  // Names.
  glsl("undeclared", "o = a;", "`a` is not declared"),
  glsl("undeclared, assigned", "a = 1.0;", "`a` is not declared"),
  glsl("undeclared in its own value", "float a = a;", "`a` is not declared"),
  glsl("an unknown function", "o = vec4(erf(1.0));", "no function `erf` is defined before this, nor built in"),
  glsl(
    "a function defined later",
    "o = vec4(f());",
    "no function `f` is defined before this",
    "float g() { return f(); }\nfloat f() { return 1.0; }",
  ),
  glsl("recursion", "o = vec4(f(1.0));", "`f` calls itself", "float f(float x) { return f(x); }"),
  glsl("declared twice", "float a; int a;", "`a` is already declared in this scope"),
  glsl(
    "a parameter declared again",
    "o = vec4(f(1.0));",
    "`x` is already declared in this scope",
    "float f(float x) { float x = 1.0; return x; }",
  ),
  glsl(
    "a loop variable declared again",
    "for (int i = 0; i < 2; i++) { int i = 1; }",
    "`i` is already declared in this scope",
  ),
  glsl(
    "a function defined twice",
    write,
    "`f(float)` is already defined",
    "float f(float x) { return x; }\nfloat f(float y) { return y; }",
  ),
  glsl("a built-in defined again", write, "`exp` is a built-in function", "float exp(float x) { return x; }"),
  glsl("out of scope", "{ float a = 1.0; } o = vec4(a);", "`a` is not declared"),
  glsl("a reserved word as a name", "float sample = 1.0;", "not the reserved word `sample`"),
  glsl("a name of gl_", "float gl_a = 1.0;", "names with gl_, webgl_ or a double underscore are reserved"),
  glsl("a variable called", "float a = 1.0; o = vec4(a(1.0));", "`a` is no function"),
  glsl("a local hides a built-in", "float max = 1.0; o = vec4(max(1.0, 2.0));", "`max` is no function"),
  // Writes.
  glsl("write to a constant", "k = 2.0;", "`k` is const and cannot be assigned", "const float k = 1.0;"),
  glsl("write to a local constant", "const float k = 1.0; k = 2.0;", "`k` is const and cannot be assigned"),
  glsl("write to a uniform", "u = 2.0;", "`u` is a uniform and cannot be assigned", "uniform float u;"),
  glsl("write to gl_FragCoord", "gl_FragCoord.x = 2.0;", "gl_FragCoord cannot be assigned"),
  glsl(
    "a constant of a uniform",
    write,
    "`k` is const: its value must be a constant expression",
    "uniform float u;\nconst float k = u;",
  ),
  glsl(
    "a local constant of a variable",
    "float a = 1.0; const float b = a;",
    "`b` is const: its value must be a constant expression",
  ),
  subset("write to the loop's variable", "for (int i = 0; i < 4; i++) { i += 1; }", "`i` is the variable of a loop"),
  subset(
    "a function writes an output",
    "o = vec4(f());",
    "only main assigns the output `p`",
    "layout(location = 1) out vec4 p;\nfloat f() { p = vec4(1.0); return 1.0; }",
  ),
  // Samplers.
  glsl("a sampler as a value", "o = vec4(t);", "`t` is a sampler", "uniform sampler2DArray t;"),
  glsl(
    "a fetch from no sampler",
    "o = texelFetch(1.0, ivec3(0), 0);",
    "the first argument of texelFetch must be a sampler",
  ),
  glsl(
    "a fetch at a float coordinate",
    "o = texelFetch(t, vec3(0.0), 0);",
    "the coordinate of texelFetch must be ivec3, this is vec3",
    "uniform sampler2DArray t;",
  ),
  glsl(
    "a fetch at two coordinates",
    "o = texelFetch(t, ivec2(0), 0);",
    "the coordinate of texelFetch must be ivec3, this is ivec2",
    "uniform sampler2DArray t;",
  ),
  glsl(
    "a sample at an int level",
    "o = textureLod(t, vec3(0.0), 0);",
    "the level of textureLod must be float, this is int",
    "uniform sampler2DArray t;",
  ),
  glsl(
    "an integer texel as floats",
    "o = texelFetch(t, ivec3(0), 0);",
    "what is assigned to `o` must be vec4, this is ivec4",
    "uniform isampler2DArray t;",
  ),
  subset(
    "another level",
    "o = texelFetch(t, ivec3(0), 1);",
    "the level of texelFetch must be the literal 0",
    "uniform sampler2DArray t;",
  ),
  subset(
    "sampler2D",
    write,
    "`sampler2D` is outside of the subset: every texture is a sampler2DArray",
    "uniform sampler2D t;",
  ),
  subset("an array of samplers", write, "arrays of samplers are outside of the subset", "uniform sampler2DArray t[2];"),
  subset(
    "texture with gradients",
    "o = texture(t, vec3(0.0));",
    "no function `texture` is defined",
    "uniform sampler2DArray t;",
  ),
  subset("a sampler as a parameter", write, "Expected", "vec4 f(sampler2DArray t) { return vec4(0.0); }"),
  // Flow.
  glsl("a return without a value", "o = vec4(f());", "`f` must return a float", "float f() { return; }"),
  subset(
    "a path without return",
    "o = vec4(f(1));",
    "`f` does not return a float on every path",
    "float f(int i) { if (i < 0) { return 1.0; } }",
  ),
  subset("read before assigned", "float a; o = vec4(a);", "`a` is read before it is assigned on every path"),
  subset(
    "a component read before assigned",
    "vec4 a; a.xy = vec2(0.0); o = a.xxyz;",
    "`a` is read before it is assigned on every path",
  ),
  subset(
    "assigned on one side",
    "float a; if (gl_FragCoord.x < 1.0) a = 1.0; o = vec4(a);",
    "`a` is read before it is assigned on every path",
  ),
  subset(
    "assigned in a loop only",
    "float a; for (int i = 0; i < 4; i++) a = 1.0; o = vec4(a);",
    "`a` is read before it is assigned on every path",
  ),
  subset("added to before assigned", "vec4 a; a += 1.0; o = a;", "`a` is read before it is assigned on every path"),
  subset("an output not assigned", "float a = 1.0;", "without having assigned all of the output `o`"),
  subset("an output half assigned", "o.xy = vec2(1.0);", "without having assigned all of the output `o`"),
  subset(
    "an output not assigned at a return",
    "if (gl_FragCoord.x < 1.0) { return; } o = vec4(1.0);",
    "without having assigned all of the output `o`",
  ),
  glsl("a value returned from main", "return 1.0;", "`main` is void and returns no value"),
  glsl("a wrong type returned", write, "what `f` returns must be float, this is int", "float f() { return 1; }"),
  // Outside of the subset.
  subset("while", "while (true) { }", "`while` is outside of the subset"),
  subset("do", "do { } while (true);", "`do` is outside of the subset"),
  subset("continue", "for (int i = 0; i < 4; i++) { continue; }", "`continue` is outside of the subset"),
  subset("break", "for (int i = 0; i < 4; i++) { break; }", "`break` is outside of the subset"),
  subset("discard", "discard;", "`discard` is outside of the subset"),
  subset("switch", "switch (1) { default: o = vec4(0.0); }", "`switch` is outside of the subset"),
  subset("a loop downwards", "for (int i = 4; i > 0; i--) { }", "Expected"),
  subset("a loop over two names", "int j = 0; for (int i = 0; j < 4; i++) { }", "the loop runs over `i`, not over `j`"),
  subset("a loop that stands still", "for (int i = 0; i < 4; i += 0) { }", "the step of a loop must be positive"),
  subset("a local array", "float a[3];", "Expected"),
  subset("a vector indexed", "o = vec4(gl_FragCoord.xy, 0.0, 1.0); float a = o[1];", "only uniform arrays are indexed"),
  subset("increment as a statement", "int i = 0; i++;", "Expected"),
  subset("assignment as an expression", "float a, b; a = b = 1.0;", "Expected"),
  subset("an out parameter", write, "`out` is outside of the subset", "float f(out float x) { x = 1.0; return x; }"),
  subset("an inout parameter", write, "`inout` is outside of the subset", "float f(inout float x) { return x; }"),
  subset("an input", write, "`in` is outside of the subset", "in vec2 uv;"),
  subset("a struct", write, "`struct` is outside of the subset", "struct S { float x; };"),
  subset("a macro", write, "Expected", "#define X 1.0"),
  subset("a void function", write, "only main is void", "void f() { }"),
  subset("a global variable", write, "Expected", "float a = 1.0;"),
  subset("a suffix f", "float a = 1.0f;", "Expected"),
  subset("an octal literal", "int a = 017;", "Expected"),
  subset("a uint uniform", write, "uniforms are of float or int", "uniform uint u;"),
  subset("gl_FragCoord.z", "o = vec4(gl_FragCoord.z);", "gl_FragCoord is read as gl_FragCoord.xy, .x or .y only"),
  subset("gl_FragCoord whole", "o = gl_FragCoord;", "gl_FragCoord is read as gl_FragCoord.xy, .x or .y only"),
  subset("a float too large", "float a = 1e39;", "is larger than the largest float"),
  glsl("an integer too large", "int a = 4294967296;", "does not fit 32 bits"),
  glsl("minus minus", "float a = 1.0; o = vec4(a--a);", "Expected"),
  glsl("an unclosed block", "if (true) {", "Expected"),
  // The head.
  whole(
    "no version",
    "precision highp float; out vec4 o; void main() { o = vec4(0.0); }",
    "The first line must be `#version 300 es`",
    "glsl",
  ),
  whole("a version after a line", `\n${shaderOf("", write)}`, "The first line must be `#version 300 es`", "glsl"),
  whole(
    "no precision of float",
    "#version 300 es\nout vec4 o;\nvoid main() { o = vec4(0.0); }",
    "float has no default precision here",
    "glsl",
  ),
  whole(
    "no precision of samplers",
    "#version 300 es\nprecision highp float;\nuniform sampler2DArray t;\nout vec4 o;\nvoid main() { o = vec4(0.0); }",
    "sampler2DArray has no default precision here",
    "glsl",
  ),
  whole(
    "ints are mediump by default",
    "#version 300 es\nprecision highp float;\nout vec4 o;\nvoid main() { int a = 1; o = vec4(a); }",
    "int is only mediump here",
    "subset",
  ),
  whole(
    "mediump",
    "#version 300 es\nprecision mediump float;\nout vec4 o;\nvoid main() { o = vec4(0.0); }",
    "vec4 is only mediump here",
    "subset",
  ),
  whole("no output", `${head}void main() { }`, "the shader has no output", "subset"),
  whole("no main", `${head}out vec4 o;`, "the last declaration must be `void main()`", "glsl"),
  whole(
    "an output of one component",
    `${head}out float o;\nvoid main() { o = 1.0; }`,
    "an output is vec4, ivec4 or uvec4, not float",
    "subset",
  ),
  whole(
    "two outputs, one location",
    `${head}layout(location = 0) out vec4 a;\nlayout(location = 0) out vec4 b;\nvoid main() { a = vec4(0.0); b = a; }`,
    "location 0 is already `a`",
    "glsl",
  ),
  whole(
    "two outputs without locations",
    `${head}out vec4 a;\nout vec4 b;\nvoid main() { a = vec4(0.0); b = a; }`,
    "each needs a location",
    "glsl",
  ),
];
