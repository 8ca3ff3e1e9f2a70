/**
 * JSON as a file's header must have it: read into Maps, with the place of every fault, and a key given twice is one.
 *
 * Not a replacement of JSON.parse, which keeps the last of two equal keys and tells neither; that would let a header
 * say one thing to us and another to the next reader.
 */
import { FormatError } from "../ir/errors.ts";

export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
export type JsonObject = ReadonlyMap<string, Json>;

/** Deeper than any header; a bound keeps hostile text from exhausting the stack. */
const MAX_DEPTH = 16;

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
/** Up to the closing quote; escapes are checked by JSON.parse. */
const STRING = /"(?:[^"\\]|\\.)*"/sy;
const WORDS: readonly (readonly [string, Json])[] = [
  ["true", true],
  ["false", false],
  ["null", null],
];

/**
 * text: one JSON value, white space around it allowed. Result: objects as Maps in the order written.
 * Throws FormatError "<what> at character N of the header: found ..." for bad JSON, a repeated key, or depth over 16.
 */
export function parseStrictJson(text: string): Json {
  let at = 0;

  const fail: (what: string) => never = (what) => {
    const found = at < text.length ? JSON.stringify(text.slice(at, at + 12)) : "its end";
    throw new FormatError(`${what} at character ${at} of the header, found ${found}`);
  };
  const skipSpace = (): void => {
    while (at < text.length && " \t\n\r".includes(text.charAt(at))) at++;
  };
  const accept = (char: string): boolean => {
    skipSpace();
    if (text[at] !== char) return false;
    at++;
    return true;
  };
  const expect = (char: string): void => {
    if (!accept(char)) fail(`expected ${JSON.stringify(char)}`);
  };
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(text)?.[0];
  };

  const string = (): string => {
    skipSpace();
    const literal = match(STRING);
    if (literal === undefined) return fail(text[at] === '"' ? "a string without an end" : "expected a string");
    let value: unknown;
    try {
      value = JSON.parse(literal);
    } catch {
      fail("a string with a bad escape or control character");
    }
    at += literal.length;
    return value as string; // JSON.parse of a quoted literal
  };
  const object = (depth: number): JsonObject => {
    const entries = new Map<string, Json>();
    expect("{");
    if (accept("}")) return entries;
    do {
      skipSpace();
      const start = at;
      const key = string();
      if (entries.has(key)) {
        at = start;
        fail(`key ${JSON.stringify(key)} a second time`);
      }
      expect(":");
      entries.set(key, value(depth));
    } while (accept(","));
    expect("}");
    return entries;
  };
  const array = (depth: number): Json[] => {
    const items: Json[] = [];
    expect("[");
    if (accept("]")) return items;
    do items.push(value(depth));
    while (accept(","));
    expect("]");
    return items;
  };
  const value = (depth: number): Json => {
    skipSpace();
    if (depth === MAX_DEPTH) fail(`values nested deeper than ${MAX_DEPTH}`);
    const char = text[at];
    if (char === "{") return object(depth + 1);
    if (char === "[") return array(depth + 1);
    if (char === '"') return string();
    for (const [word, meaning] of WORDS) {
      if (text.startsWith(word, at)) {
        at += word.length;
        return meaning;
      }
    }
    const number = match(NUMBER);
    if (number === undefined) return fail("expected a JSON value");
    at += number.length;
    return Number(number);
  };

  const result = value(0);
  skipSpace();
  if (at < text.length) fail("expected nothing more");
  return result;
}
