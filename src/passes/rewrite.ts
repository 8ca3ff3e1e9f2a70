/**
 * The rewrite driver: local laws, each named by what it says, applied bottom-up until none fits.
 * A law sees a node whose inputs are already rewritten and gives an equal node or null.
 */
import { InvariantError } from "../ir/errors.ts";
import { rebuild, type Node } from "../ir/node.ts";
import type { BitChange } from "./bits.ts";

export interface Rule {
  /** The law, as in "x * 1 => x". */
  readonly law: string;
  /** `uses`: how many operands and roots of the graph a node is. */
  readonly apply: (n: Node, uses: Uses) => Node | null;
  /** Graphs whose roots the law applies to; tests evaluate both sides of each. */
  readonly examples: () => readonly Node[];
  /** The entry of bits.ts that says how results may differ; none: not a bit, but for the sign of a zero. */
  readonly bits?: BitChange;
}

export type Uses = (n: Node) => number;

/** How often each law hit; tests ask that none is idle, the dump prints them. */
export type Hits = Map<string, number>;

/** Told of every hit: which law, the node it saw and what it made. */
export type OnHit = (law: string, before: Node, after: Node) => void;

/** A node that is still being rewritten after this many hits is a loop of laws. */
const MAX_HITS_PER_NODE = 100;

/** Rewrites everything below `roots`. Returns what each node became. */
export function rewrite(roots: readonly Node[], rules: readonly Rule[], onHit: OnHit | null = null): Map<Node, Node> {
  return new Rewriting(roots, rules, onHit).run();
}

class Rewriting {
  private readonly roots: readonly Node[];
  private readonly rules: readonly Rule[];
  private readonly onHit: OnHit | null;
  private readonly done = new Map<Node, Node>();
  /** Of the graph as it was; a node's count passes on to what it becomes, and what a law makes inside counts as one. */
  private readonly counts: Map<Node, number>;
  private readonly uses: Uses = (n) => this.counts.get(n) ?? 1;

  constructor(roots: readonly Node[], rules: readonly Rule[], onHit: OnHit | null) {
    this.roots = roots;
    this.rules = rules;
    this.onHit = onHit;
    this.counts = countUses(roots);
  }

  run(): Map<Node, Node> {
    const { done } = this;
    const stack: Node[] = [...this.roots];
    while (stack.length > 0) {
      const n = stack[stack.length - 1]!;
      if (done.has(n)) {
        stack.pop();
        continue;
      }
      const missing = n.inputs.filter((e) => !done.has(e));
      if (missing.length > 0) {
        stack.push(...missing);
        continue;
      }
      stack.pop();
      this.finish(n, this.applyRules(this.rebuilt(n)));
    }
    return done;
  }

  private rebuilt(n: Node): Node {
    return rebuild(
      n,
      n.inputs.map((e) => this.done.get(e)!),
    );
  }

  /** Applies laws at `n`, whose inputs are final, until none fits. */
  private applyRules(n: Node): Node {
    const known = this.done.get(n);
    if (known !== undefined) return known;
    const trail: string[] = [];
    let current = n;
    for (;;) {
      const next = this.hit(current, trail);
      if (next === null) break;
      const final = this.done.get(next);
      if (final !== undefined) {
        current = final;
        break;
      }
      for (const e of next.inputs) this.rewriteNew(e);
      current = this.rebuilt(next);
    }
    this.done.set(current, current);
    return current;
  }

  /** What the first law that fits makes of `n`; null where none does. */
  private hit(n: Node, trail: string[]): Node | null {
    for (const rule of this.rules) {
      const next = rule.apply(n, this.uses);
      if (next === null || next === n) continue;
      this.onHit?.(rule.law, n, next);
      trail.push(rule.law);
      if (trail.length > MAX_HITS_PER_NODE)
        throw new InvariantError(`rules do not terminate: ${trail.slice(-4).join("; ")}`);
      return next;
    }
    return null;
  }

  /** What a law made below its result: as deep as a law, so recursion is short. */
  private rewriteNew(n: Node): void {
    if (this.done.has(n)) return;
    for (const e of n.inputs) this.rewriteNew(e);
    this.finish(n, this.applyRules(this.rebuilt(n)));
  }

  private finish(n: Node, final: Node): void {
    this.done.set(n, final);
    if (final !== n) this.counts.set(final, (this.counts.get(final) ?? 0) + (this.counts.get(n) ?? 1));
  }
}

/** How often each node below `roots` is an operand or a root. */
export function countUses(roots: readonly Node[]): Map<Node, number> {
  const uses = new Map<Node, number>();
  const seen = new Set<Node>(roots);
  const stack = [...seen];
  for (const r of roots) uses.set(r, (uses.get(r) ?? 0) + 1);
  while (stack.length > 0) {
    for (const e of stack.pop()!.inputs) {
      uses.set(e, (uses.get(e) ?? 0) + 1);
      if (seen.has(e)) continue;
      seen.add(e);
      stack.push(e);
    }
  }
  return uses;
}
