/**
 * `texgrad/methods`: importing it makes methods of Tensor of all functions of src/functions that take a tensor first, so
 * that a program written with methods moves over line by line: `x.erf()`, `x.tril(-1)`, `x.scatterAdd(1, index, y)`.
 * Arguments are those of the function, without the first. Their types come with the import.
 *
 * It is the one entry with an effect, and holds every function; programs that count bytes name the functions they use.
 */
import * as arrange from "./functions/arrange.ts";
import * as contract from "./functions/contract.ts";
import * as elementwise from "./functions/elementwise.ts";
import * as indexBy from "./functions/index-by.ts";
import * as reductions from "./functions/reductions.ts";
import * as search from "./functions/search.ts";
import { Tensor, type ValuesAndIndices } from "./trace/index.ts";

/** What takes no tensor first, and what Tensor has already. */
type Left =
  "einsum" | "hstack" | "meshgrid" | "vstack" | "gather" | "indexSelect" | "matmul" | "std" | "var" | "variance";

type Functions = typeof arrange &
  typeof contract &
  typeof elementwise &
  typeof indexBy &
  typeof reductions &
  typeof search;

type Method<F> = F extends (x: Tensor, ...rest: infer R) => infer Y ? (...rest: R) => Y : never;

/** Each function as a method; of those with several forms a type says only the last, so they are written out below. */
export type Methods = { [K in Exclude<keyof Functions, Left | "median">]: Method<Functions[K]> };

declare module "./trace/tensor.ts" {
  interface Tensor extends Methods {
    /** The middle element of all, or along `dim` with its position. */
    median(): Tensor;
    median(dim: number, options?: reductions.KeepOptions): ValuesAndIndices;
  }
}

const left: Readonly<Record<Left, true>> = {
  einsum: true,
  hstack: true,
  meshgrid: true,
  vstack: true,
  gather: true,
  indexSelect: true,
  matmul: true,
  std: true,
  var: true,
  variance: true,
};

function install(): readonly string[] {
  const names: string[] = [];
  for (const functions of [arrange, contract, elementwise, indexBy, reductions, search]) {
    for (const [name, f] of Object.entries(functions) as [string, (x: Tensor, ...rest: unknown[]) => unknown][]) {
      if (name in left || name in Tensor.prototype) continue;
      names.push(name);
      Object.defineProperty(Tensor.prototype, name, {
        configurable: true,
        writable: true,
        value(this: Tensor, ...rest: unknown[]): unknown {
          return f(this, ...rest);
        },
      });
    }
  }
  return names;
}

/** The names of the methods that this entry has added. */
export const methodNames: readonly string[] = install();
