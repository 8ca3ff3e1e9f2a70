/** The grammar of textual IR, in Ohm. Comments run from // to the end of the line. What it means: parse.ts. */
import { grammar, type Grammar } from "ohm-js";

export const textGrammar: Grammar = grammar(String.raw`
  TexgradText {
    Function  = "func" "@" name "(" ListOf<Argument, ","> ")" "{" Line* Return "}"
    Argument  = value ":" role? Type
    Line      = value "=" name ListOf<value, ","> Attrs? ":" Type
    Return    = "return" NonemptyListOf<value, ",">
    Attrs     = "{" NonemptyListOf<Attr, ","> "}"
    Attr      = name "=" Value
    Value     = "[" ListOf<number, ","> "]"  -- list
              | number                       -- number
              | boolean                      -- boolean
              | string                       -- string
    Type      = dtype "[" ListOf<extent, ","> "]"

    value  (a value, as in %0)   = "%" (alnum | "_")+
    name   (a name)              = (letter | "_") (alnum | "_")*
    role   (a role)              = ("input" | "uniform" | "cell" | "carried") ~alnum
    dtype  (a dtype)             = ("f32" | "i32" | "u32" | "bool") ~alnum
    extent (an extent)           = digit+
    number (a number)            = "-"? magnitude
    magnitude                    = "NaN" | "Infinity" | decimal
    decimal                      = digit+ ("." digit+)? exponent?
    exponent                     = "e" ("+" | "-")? digit+
    boolean (true or false)      = ("true" | "false") ~alnum
    string (a string)            = "\"" (~("\"" | "\n") any)* "\""

    space += comment
    comment = "//" (~"\n" any)*
  }
`);
