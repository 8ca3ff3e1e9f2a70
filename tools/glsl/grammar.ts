/**
 * The grammar of the GLSL ES 3.00 subset that texgrad emits, free of actions (ohm-js).
 *
 * It is a subset on purpose: what is not here (while, break, continue, discard, structs, inout, local arrays, vector
 * indexing, prototypes, `#define`) is not emitted, and a shader that has it must fail to read. Types are checked after
 * reading; see check.ts.
 */
import * as ohm from "ohm-js";
import { samplerTypes, valueTypes } from "./types.ts";

/** Keywords of GLSL ES 3.00 outside of the subset, and words it reserves: no name may be one of them. */
const refusedWords = `
  attribute varying in inout centroid flat smooth struct while do break continue switch case default discard invariant
  mat2 mat3 mat2x2 mat2x3 mat2x4 mat3x2 mat3x3 mat3x4 mat4x2 mat4x3 mat4x4
  sampler2D sampler3D samplerCube sampler2DShadow samplerCubeShadow sampler2DArrayShadow isampler2D isampler3D
  isamplerCube usampler2D usampler3D usamplerCube coherent volatile restrict readonly writeonly resource atomic_uint
  noperspective patch sample subroutine common partition active asm class union enum typedef template this goto inline
  noinline public static extern external interface long short double half fixed unsigned superp input output hvec2 hvec3
  hvec4 dvec2 dvec3 dvec4 fvec2 fvec3 fvec4 sampler3DRect filter image1D image2D image3D imageCube iimage1D iimage2D
  iimage3D iimageCube uimage1D uimage2D uimage3D uimageCube image1DArray image2DArray iimage1DArray iimage2DArray
  uimage1DArray uimage2DArray imageBuffer iimageBuffer uimageBuffer sampler1D sampler1DShadow sampler1DArray
  sampler1DArrayShadow isampler1D isampler1DArray usampler1D usampler1DArray sampler2DRect sampler2DRectShadow
  isampler2DRect usampler2DRect samplerBuffer isamplerBuffer usamplerBuffer sampler2DMS isampler2DMS usampler2DMS
  sampler2DMSArray isampler2DMSArray usampler2DMSArray sizeof cast namespace using`
  .trim()
  .split(/\s+/);

const subsetWords =
  `uniform layout location out const precision lowp mediump highp void if else for return true false`.split(" ");

/** Words that stay names although the grammar gives them a meaning in one place. */
const notReserved = new Set(["location"]);

export const reservedWords: ReadonlySet<string> = new Set(
  [...refusedWords, ...subsetWords, ...valueTypes, ...samplerTypes].filter((word) => !notReserved.has(word)),
);

/** An ordered choice among words; longest first, since a choice once made is not taken back. */
const choice = (words: Iterable<string>): string =>
  [...words]
    .sort((a, b) => b.length - a.length || (a < b ? -1 : 1))
    .map((word) => `"${word}"`)
    .join(" | ");

export const glslGrammar = ohm.grammar(String.raw`
  Glsl {
    Shader = version Declaration*

    Declaration = Precision | Uniforms | Output | Constants | Function

    Precision = word<"precision"> precision precisionType ";"
    Uniforms = word<"uniform"> precision? uniformType NonemptyListOf<UniformName, ","> ";"
    UniformName = name ("[" integer "]")?
    Output = Layout? word<"out"> precision? valueType name ";"
    Layout = word<"layout"> "(" word<"location"> assign integer ")"
    Constants = word<"const"> precision? valueType NonemptyListOf<Initialised, ","> ";"
    Initialised = name assign Expression

    Function = returnType name "(" ListOf<Parameter, ","> ")" Block
    Parameter = precision? valueType name

    Block = "{" Statement* "}"
    Statement = Block | If | For | Return | Constants | Local | Assignment
    If = word<"if"> "(" Expression ")" Statement (word<"else"> Statement)?
    For = word<"for"> "(" word<"int"> name assign Expression ";" name less Expression ";" Step ")" Statement
    Step = name "++"             -- after
         | "++" name             -- before
         | name "+=" Expression  -- add
    Return = word<"return"> Expression? ";"
    Local = precision? valueType NonemptyListOf<Declarator, ","> ";"
    Declarator = name (assign Expression)?
    Assignment = name ("." field)? assignment Expression ";"

    Expression = Choice
    Choice = Binary "?" Expression ":" Choice  -- choose
           | Binary
    Binary = Unary (binary Unary)*
    Unary = unary Unary  -- operator
          | Postfix
    Postfix = Primary ("." field)*
    Primary = "(" Expression ")"                            -- parens
            | valueType "(" ListOf<Expression, ","> ")"     -- construct
            | name "(" ListOf<Expression, ","> ")"          -- call
            | name "[" Expression "]"                       -- element
            | name                                          -- name
            | number                                        -- number
            | boolean                                       -- boolean

    binary = ("||" | "&&" | "==" | "!=" | "<=" | ">=" | "<<" | ">>" | plus | minus | "*" | "/" | "%" | "<" | ">" | bitwise) ~"="
    bitwise = "|" | "&" | "^" ~"^"
    plus = "+" ~"+"
    minus = "-" ~"-"
    less = "<" ~("<" | "=")
    unary = "-" ~("-" | "=") | "!" ~"=" | "~"
    assign = "=" ~"="
    assignment = assign | "+=" | "-=" | "*=" | "/=" | "%=" | "&=" | "|=" | "^=" | "<<=" | ">>="

    version = "#version 300 es" (" " | "\t" | "\r")* "\n"
    precision = (${choice(["lowp", "mediump", "highp"])}) ~rest
    precisionType = (${choice(["float", "int", ...samplerTypes])}) ~rest
    uniformType (a type) = (${choice([...valueTypes, ...samplerTypes])}) ~rest
    returnType (a type) = (${choice([...valueTypes, "void"])}) ~rest
    valueType (a type) = (${choice(valueTypes)}) ~rest
    reserved = (${choice(reservedWords)}) ~rest

    word<text> = text ~rest
    name (a name) = ~reserved ("a".."z" | "A".."Z" | "_") rest*
    field (a swizzle) = ("a".."z")+ ~rest
    rest = "a".."z" | "A".."Z" | "0".."9" | "_"
    boolean = ("true" | "false") ~rest

    number (a number) = (float | integer) ~(rest | ".")
    float = mantissa exponent?         -- point
          | digit+ exponent            -- scientific
    mantissa = digit+ "." digit*       -- whole
             | "." digit+              -- part
    exponent = ("e" | "E") ("+" | "-")? digit+
    integer (an integer) = (hexadecimal | decimal | "0") ("u" | "U")?
    hexadecimal = ("0x" | "0X") hexDigit+
    decimal = "1".."9" digit*

    space += "//" (~"\n" any)*         -- line
           | "/*" (~"*/" any)* "*/"    -- block
  }
`);

/** Why a word that GLSL has is not in the subset, and what is emitted in its place. */
export const refusals: Readonly<Record<string, string>> = {
  while: "texgrad emits only canonical `for` loops",
  do: "texgrad emits only canonical `for` loops",
  break: "texgrad emits no `break`: bound the loop, or select",
  continue: "texgrad emits no `continue`: guard the body with `if`, or select",
  discard: "every fragment writes every output",
  switch: "use `if` and `else`",
  struct: "texgrad emits no structs",
  in: "a fragment shader of texgrad has no inputs, and parameters are values without a qualifier",
  inout: "parameters are passed by value",
  out: "parameters are passed by value, and outputs are declared outside of functions",
  sampler2D: "every texture is a sampler2DArray",
  isampler2D: "every texture is an isampler2DArray",
  usampler2D: "every texture is a usampler2DArray",
};
