/**
 * What `generate` reads of a kernel, as text: kernels of one key have one program, down to the extents it is bound with.
 * A net repeats its layers, and a plan made again (layouts known, another result learned) repeats most of its kernels;
 * a key costs a tenth of a program. Not here: the programs (runtime/compile.ts).
 */
import { conditionIndex, visitAtoms, type Axis, type Condition, type Index } from "../../ir/affine.ts";
import type { Expr, Kernel } from "../../ir/kernel.ts";
import type { Attrs } from "../../ir/node.ts";

export function kernelKey(kernel: Kernel): string {
  const out: string[] = [kernel.layout.text, axesKey(kernel.rows), axesKey(kernel.cols)];
  for (const { dtype, layout } of kernel.loads) out.push(dtype, layout.text);
  for (const { dtype } of kernel.numbers) out.push(dtype);
  const seen = new Set<Expr>();
  const add = (root: Expr): number => {
    addExpr(root, seen, out);
    return root.id;
  };
  for (const { axes, accumulators } of kernel.phases) {
    out.push("phase", axesKey(axes));
    for (const a of accumulators) {
      const value = add(a.value);
      out.push(
        `${a.id} ${ordinal(a.op)} ${a.dtype} ${value} ${a.position === null ? "" : indexKey(a.position)}`,
        a.label,
      );
    }
  }
  for (const { value, dtype, label } of kernel.stores) out.push(`store ${add(value)} ${dtype}`, label);
  return out.join("\n");
}

/** Every expression below, operands first. Kernels are small: they are cut by their size. */
function addExpr(e: Expr, seen: Set<Expr>, out: string[]): void {
  if (seen.has(e)) return;
  seen.add(e);
  const head = `${e.id} ${e.kind} ${e.dtype}`;
  switch (e.kind) {
    case "load":
      for (const i of e.at) addDynamic(i, seen, out);
      addConditions(e.valid, seen, out);
      out.push(
        `${head} ${e.buffer} [${e.at.map(indexKey).join()}] ${e.valid.map((c) => c.key).join()} ${numberKey(e.fill)}`,
      );
      break;
    case "map":
      for (const x of e.operands) addExpr(x, seen, out);
      out.push(`${head} ${ordinal(e.op)} ${attrsKey(e.attrs)} ${e.operands.map((x) => x.id).join()}`);
      break;
    case "select":
      addExpr(e.value, seen, out);
      addConditions(e.valid, seen, out);
      out.push(`${head} ${e.value.id} ${e.valid.map((c) => c.key).join()} ${numberKey(e.fill)}`);
      break;
    case "index":
      addDynamic(e.index, seen, out);
      out.push(`${head} ${indexKey(e.index)}`);
      break;
    case "literal":
      out.push(`${head} ${numberKey(e.value)}`);
      break;
    case "uniform":
      out.push(`${head} ${e.slot}`);
      break;
    case "result":
      out.push(`${head} ${e.accumulator}`);
      break;
  }
}

function addConditions(conditions: readonly Condition[], seen: Set<Expr>, out: string[]): void {
  for (const c of conditions) {
    const i = conditionIndex(c);
    if (i !== null) addDynamic(i, seen, out);
  }
}

/** Indices made on the device name an expression of the kernel, and its range, which their key does not hold. */
function addDynamic(i: Index, seen: Set<Expr>, out: string[]): void {
  if (!i.key.includes("d")) return;
  visitAtoms(i, (atom) => {
    if (atom.kind !== "dynamic") return;
    addExpr(atom.expr as Expr, seen, out);
    out.push(`${atom.key} ${atom.from} ${atom.bound}`);
  });
}

const indexKey = (i: Index): string => i.key;
const axesKey = (axes: readonly Axis[]): string => axes.map((a) => `${a.id} ${a.extent} ${a.bound}`).join();
const numberKey = (n: number): string => (Object.is(n, -0) ? "-0" : String(n));

function attrsKey(attrs: Attrs): string {
  const of = (v: Attrs[string] | undefined): string => (typeof v === "number" ? numberKey(v) : String(v));
  return Object.keys(attrs)
    .map((name) => `${name}=${of(attrs[name])}`)
    .join(";");
}

/** Definitions are compared by identity. */
const ordinals = new WeakMap<object, number>();
let definitions = 0;

function ordinal(definition: object): number {
  let known = ordinals.get(definition);
  if (known === undefined) ordinals.set(definition, (known = definitions++));
  return known;
}
