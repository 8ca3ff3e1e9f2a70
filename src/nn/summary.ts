/** What a network consists of, and what shapes go through it. */
import type { Shape } from "../ir/shape.ts";
import { show } from "../ir/shape.ts";
import { noGrad, Tensor, zeros, type TensorOptions } from "../trace/index.ts";
import type { Module } from "./module.ts";

/** How many numbers the parameters hold, a tied weight once. */
export function countParameters(module: Module, { trainable = false }: { readonly trainable?: boolean } = {}): number {
  let total = 0;
  for (const p of module.parameters()) if (!trainable || p.requiresGrad) total += p.numel;
  return total;
}

/** The shapes in a result, nested ones in order. */
function shapes(output: unknown): string {
  if (output instanceof Tensor) return show(output.shape);
  return Array.isArray(output) ? output.map(shapes).filter(Boolean).join(" ") : "";
}

/**
 * A table of a module's layers in the order they are called: class, path, result, parameters. Its forward is traced on
 * zeros of `inputShape` (or several inputs) in evaluation and never run, so it costs no draw.
 */
export function summary(
  module: Module,
  inputShape: Shape | readonly Shape[],
  { dtype = "f32" }: Pick<TensorOptions, "dtype"> = {},
): string {
  const inputs = (Array.isArray(inputShape[0]) ? inputShape : [inputShape]) as readonly Shape[];
  const rows: (readonly [layer: string, output: string, parameters: string])[] = [];
  const modes = [...module.modules()].map((m) => [m, m.training] as const);
  const counted = new Set<unknown>();
  const own = (m: Module): number => {
    let n = 0;
    for (const p of m.parameters()) if (counted.size !== counted.add(p).size) n += p.numel;
    return n;
  };
  const removers = [...module.namedModules()].flatMap(([name, m]) => {
    if ([...m.children()].length > 0 || !("forward" in m)) return [];
    const log = (_: Module, __: readonly unknown[], output: unknown): void => {
      rows.push([
        `${name === "" ? "" : `${name}: `}${m.constructor.name}`,
        shapes(output),
        own(m).toLocaleString("en"),
      ]);
    };
    return [m.registerForwardHook(log)];
  });
  try {
    module.eval();
    const forward = module as Module & { forward(...x: Tensor[]): unknown };
    noGrad(() => forward.forward(...inputs.map((s) => zeros(s, { dtype }))));
  } finally {
    for (const remove of removers) remove();
    for (const [m, training] of modes) m.training = training;
  }
  const total = countParameters(module);
  const trained = countParameters(module, { trainable: true });
  return (
    `${table([["layer", "output", "parameters"], ...rows])}\n` +
    `${total.toLocaleString("en")} parameters, ${trained.toLocaleString("en")} trained`
  );
}

/** Columns side by side, numbers to the right. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = [0, 1, 2].map((i) => Math.max(...rows.map((r) => r[i]!.length)));
  return rows
    .map(([a, b, c]) => `${a!.padEnd(widths[0]!)}  ${b!.padEnd(widths[1]!)}  ${c!.padStart(widths[2]!)}`)
    .join("\n");
}
