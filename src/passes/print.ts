/**
 * Plans as text, for goldens, the dump and errors: kernels in order, what each loops over, computes and stores, and
 * why. Equal plans print alike in every run. Not here: graphs (ir/text), GLSL (codegen).
 *
 *     kernel 0
 *       stores %7: f32[4,3], layout 0:4 | 1:3 R4@0 P8, asked for
 *       over k0 < 5
 *         s0 = sum mul(%0[i0, k0], %1[k0, c0])
 *       %7[i0, c0] = relu(s0)
 *       computes %5 (expanding), %6 (phase)
 */
import { type Axis, type Atom, type Condition, type Index } from "../ir/affine.ts";
import { cutReasons, type Expr, type Kernel } from "../ir/kernel.ts";
import type { Node } from "../ir/node.ts";
import { foldReasons, type KernelPlan, type NodeFate, type TracedFate } from "../ir/plan.ts";
import { printType } from "../ir/text/print.ts";

/** How nodes of the scheduled graph are called: as the text of the graph calls them. */
export type NameOf = (n: Node) => string;

/** All kernels of a plan; `fates` adds which nodes each computes. */
export function printKernels(
  plan: Pick<KernelPlan, "kernels" | "buffers">,
  nameOf: NameOf,
  fates: ReadonlyMap<Node, NodeFate> | null = null,
): string {
  return plan.kernels.map((_, i) => printKernel(plan, i, nameOf, fates)).join("");
}

export function printKernel(
  plan: Pick<KernelPlan, "kernels" | "buffers">,
  ordinal: number,
  nameOf: NameOf,
  fates: ReadonlyMap<Node, NodeFate> | null = null,
): string {
  const kernel = plan.kernels[ordinal]!;
  const lines = [`kernel ${ordinal}`];
  const names = new KernelNames(kernel, (buffer) => nameOf(plan.buffers[buffer]!.node));
  for (const s of kernel.stores) {
    const { node, layout, reason } = plan.buffers[s.buffer]!;
    const why = reason === null ? "" : `, ${cutReasons[reason]}`;
    lines.push(
      `  stores ${nameOf(node)}: ${printType(node.dtype, node.shape)}, layout ${afterShape(layout.text)}${why}`,
    );
  }
  for (const phase of kernel.phases) {
    lines.push(`  over ${phase.axes.map((a) => `${names.axis(a)} < ${a.extent}`).join(", ") || "one point"}`);
    for (const a of phase.accumulators) {
      const { text, before } = names.statement(a.value);
      const position = a.position === null ? "" : ` at ${names.index(a.position)}`;
      lines.push(...before.map((l) => `    ${l}`), `    s${a.id} = ${a.op.name} ${text}${position}`);
    }
  }
  const at = `[${kernel.at.map((i) => names.index(i)).join(", ")}]`;
  for (const s of kernel.stores) {
    const { text, before } = names.statement(s.value);
    lines.push(...before.map((l) => `  ${l}`), `  ${names.buffer(s.buffer)}${at} = ${text}`);
  }
  // Views are seen in the indices.
  const parts = [...(fates ?? [])].filter(
    ([, f]) => f.kind === "inlined" && f.why !== "leaf" && f.why !== "view" && f.kernels.includes(ordinal),
  );
  if (parts.length > 0) {
    const texts = parts.map(([n, f]) => ({ id: n.id, text: `${nameOf(n)} (${f.kind === "inlined" ? f.why : ""})` }));
    lines.push(
      `  computes ${texts
        .sort((x, y) => x.id - y.id)
        .map((e) => e.text)
        .join(", ")}`,
    );
  }
  return `${lines.join("\n")}\n`;
}

/** What became of a traced node, in a few words. */
export function printFate(fate: TracedFate, nameOf: NameOf): string {
  if (fate.kind === "folded")
    return fate.law === null ? foldReasons[fate.why] : `${foldReasons[fate.why]}: ${fate.law}`;
  const { node, fate: own } = fate;
  switch (own.kind) {
    case "bound":
      return `${nameOf(node)}, given`;
    case "stored":
      return `${nameOf(node)}, stored by kernel ${own.kernel}: ${cutReasons[own.reason]}`;
    case "inlined":
      return `${nameOf(node)}, in ${own.kernels.length === 1 ? "kernel" : "kernels"} ${own.kernels.join(", ")}: ${own.why}`;
  }
}

/** The text of a layout begins with the shape, which is said before. */
const afterShape = (layout: string): string => layout.slice(layout.indexOf("]") + 2);

/** Axes by role and order, expressions as nested calls; what is used twice gets a line of its own. */
class KernelNames {
  private readonly axes = new Map<number, string>();
  private readonly kernel: Kernel;
  private readonly bufferName: (buffer: number) => string;
  private readonly uses = new Map<Expr, number>();
  private readonly named = new Map<Expr, string>();

  constructor(kernel: Kernel, bufferName: (buffer: number) => string) {
    this.kernel = kernel;
    this.bufferName = bufferName;
    kernel.rows.forEach((a, i) => this.axes.set(a.id, `i${i}`));
    kernel.cols.forEach((a, i) => this.axes.set(a.id, `c${i}`));
    for (const p of kernel.phases) {
      for (const a of p.axes) if (!this.axes.has(a.id)) this.axes.set(a.id, `k${this.reduceAxes()}`);
    }
    const roots = [
      ...kernel.phases.flatMap((p) => p.accumulators.map((a) => a.value)),
      ...kernel.stores.map((s) => s.value),
    ];
    roots.forEach((e) => this.count(e));
  }

  private reduceAxes(): number {
    return [...this.axes.values()].filter((n) => n.startsWith("k")).length;
  }

  private count(e: Expr): void {
    const known = this.uses.get(e) ?? 0;
    this.uses.set(e, known + 1);
    if (known === 0) operandsOf(e).forEach((x) => this.count(x));
  }

  axis(a: Axis): string {
    return this.axes.get(a.id) ?? `x${a.id}`;
  }

  buffer(buffer: number): string {
    return this.bufferName(buffer);
  }

  /** An expression, and the lines that name what it shares with itself or later ones. */
  statement(e: Expr): { readonly text: string; readonly before: readonly string[] } {
    const before: string[] = [];
    return { text: this.spell(e, before), before };
  }

  private spell(e: Expr, before: string[]): string {
    const known = this.named.get(e);
    if (known !== undefined) return known;
    const text = this.spellNew(e, before);
    if ((this.uses.get(e) ?? 0) < 2 || (e.kind !== "map" && e.kind !== "select")) return text;
    const name = `v${this.named.size}`;
    this.named.set(e, name);
    before.push(`${name} = ${text}`);
    return name;
  }

  private spellNew(e: Expr, before: string[]): string {
    switch (e.kind) {
      case "literal":
        return Object.is(e.value, -0) ? "-0" : String(e.value);
      case "uniform": {
        const slot = this.kernel.numbers[e.slot]!;
        return slot.kind === "count" ? `count ${slot.value}` : `uniform ${slot.uniform}`;
      }
      case "result":
        return `s${e.accumulator}`;
      case "index":
        return `index(${this.index(e.index)})`;
      case "load": {
        const at = `${this.bufferName(this.kernel.loads[e.buffer]!.buffer)}[${e.at.map((i) => this.index(i)).join(", ")}]`;
        return this.where(at, e.valid, e.fill);
      }
      case "select":
        return this.where(this.spell(e.value, before), e.valid, e.fill);
      case "map": {
        const attrs = Object.entries(e.attrs).map(([k, v]) => `, ${k}=${String(v)}`);
        return `${e.op.name}(${e.operands.map((x) => this.spell(x, before)).join(", ")}${attrs.join("")})`;
      }
    }
  }

  private where(value: string, valid: readonly Condition[], fill: number): string {
    if (valid.length === 0) return value;
    return `(${value} if ${valid.map((c) => this.condition(c)).join(" and ")} else ${fill})`;
  }

  private condition(c: Condition): string {
    switch (c.kind) {
      case "atLeastZero":
        return `${this.index(c.index)} >= 0`;
      case "below":
        return `${this.index(c.index)} < ${c.bound}`;
      case "divisible":
        return `${c.by} divides ${this.index(c.index)}`;
      case "always":
      case "never":
        return c.kind;
    }
  }

  index(i: Index): string {
    const terms = i.terms.map(
      ({ atom, coef }) => `${coef === 1 ? "" : coef === -1 ? "-" : `${coef} `}${this.atom(atom)}`,
    );
    if (i.offset !== 0 || terms.length === 0) terms.push(String(i.offset));
    return terms.join(" + ").replaceAll("+ -", "- ");
  }

  private atom(a: Atom): string {
    switch (a.kind) {
      case "axis":
        return this.axis(a.axis);
      case "div":
        return `floor((${this.index(a.of)}) / ${a.by})`;
      case "mod":
        return `((${this.index(a.of)}) mod ${a.by})`;
      case "dynamic":
        return `value(${this.statement(a.expr as Expr).text})`;
    }
  }
}

function operandsOf(e: Expr): readonly Expr[] {
  if (e.kind === "map") return e.operands;
  return e.kind === "select" ? [e.value] : [];
}
