/**
 * Kernels to functions on arrays: generated code where the place allows it, the interpreter where it does not.
 */
import type { HostArray } from "../../ir/dtype.ts";
import type { Kernel } from "../../ir/kernel.ts";
import { generateJs } from "./generate.ts";
import { interpret } from "./interpret.ts";

/** Flat row-major arrays in the order of the kernel's loads and stores; numbers already rounded to their dtypes. */
export type KernelFunction = (
  numbers: readonly number[],
  loads: readonly HostArray[],
  stores: readonly HostArray[],
) => void;

/** Functions kept although no plan uses them; the engine's own compiled code hangs on each. */
const KEPT = 512;
const functions = new Map<string, KernelFunction>();

/** By the generated text: two plans that need the same loops share one function, and its warm machine code. */
export function kernelFunction(kernel: Kernel): KernelFunction {
  const text = generateJs(kernel);
  let known = functions.get(text);
  if (known === undefined) {
    // The text comes from generateJs alone, and the caller has asked whether the place allows this.
    // oxlint-disable-next-line typescript/no-implied-eval
    known = new Function(text)() as KernelFunction;
    functions.set(text, known);
    if (functions.size > KEPT) functions.delete(functions.keys().next().value!);
  } else {
    // Map order is the order of use.
    functions.delete(text);
    functions.set(text, known);
  }
  return known;
}

export const interpreted =
  (kernel: Kernel): KernelFunction =>
  (numbers, loads, stores) =>
    interpret(kernel, numbers, loads, stores);

let allowed: boolean | undefined;

/** Whether functions may be made from text here; a page's content security policy may forbid it. Asked once. */
export function mayGenerate(): boolean {
  if (allowed === undefined) {
    try {
      // oxlint-disable-next-line typescript/no-implied-eval
      allowed = new Function("return true")() === true;
    } catch {
      allowed = false;
    }
  }
  return allowed;
}
