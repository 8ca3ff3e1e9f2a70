/** texgrad/text: the IR as text, printed and parsed. Apart from the rest because the parser carries ohm-js. */
export { parse, type Parse, type ParseOptions } from "./ir/text/parse.ts";
export { print, type PrintOptions } from "./ir/text/print.ts";
